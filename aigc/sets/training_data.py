"""What a set says of the data that its model was trained on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from aigc import storage
from aigc.data import attribution
from aigc.errors import StorageError
from aigc.job.plan import Job
from aigc.store.version import ATTRIBUTION, TRAINING_DATA
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


def card(manifest: Json) -> str:
    """Lines for the card of a set."""
    found = manifest.get("training_data")
    return "" if found is None else attribution.in_words(found)


def beside(credits: bytes | None) -> dict[str, bytes]:
    """Files that go with the set."""
    return {} if credits is None else {ATTRIBUTION: credits}
