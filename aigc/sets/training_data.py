"""What a model and its sets say of the data that the model was trained on."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable

import yaml

from aigc import storage
from aigc.data import attribution
from aigc.data.dataset import Dataset, open_dataset
from aigc.errors import DataError, StorageError, StoreError
from aigc.job.plan import Job
from aigc.store import ModelVersion
from aigc.store.version import ATTRIBUTION, TRAIN_SPEC, TRAINING_DATA
from aigc.types import Json

Released = Callable[[Json], None]
"""Is given a set's manifest before it is written."""


def of_model(job: Job) -> tuple[Json | None, bytes | None]:
    """The model's `training_data.json` and `attribution.csv`; None where it has none, or is not
    there any more."""
    with contextlib.suppress(StorageError):
        found = storage.read_json(storage.join(job.model_uri, TRAINING_DATA))
        if found is not None:
            return found, storage.read_if_there(storage.join(job.model_uri, ATTRIBUTION))
    return None, None


def dataset_of(version: ModelVersion) -> Dataset | None:
    """The data set that `version` was trained on, where it said at its publication that it lies;
    None where it said nothing, or other data or none is there now."""
    with contextlib.suppress(DataError, StorageError, StoreError):
        found = open_dataset(_place(version))
        if found.digest == version.config.data_digest:
            return found
    return None


def _place(version: ModelVersion) -> str:
    """Raises StoreError if the version's own files are missing or damaged."""
    if TRAINING_DATA in version.files:
        return str(json.loads(version.read(TRAINING_DATA))["data"])
    return str(yaml.safe_load(version.read(TRAIN_SPEC))["data"])


def card(manifest: Json) -> str:
    """Lines for the card of a set."""
    found = manifest.get("training_data")
    return "" if found is None else attribution.in_words(found)


def beside(credits: bytes | None) -> dict[str, bytes]:
    """Files that go with the set."""
    return {} if credits is None else {ATTRIBUTION: credits}
