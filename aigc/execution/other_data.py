"""Evaluation of a model on another data set than the one it was trained on."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from aigc.data.dataset import Dataset
from aigc.errors import DataError, StorageError
from aigc.evaluation.training_overlap import trained_on
from aigc.families.config import ModelConfig
from aigc.sets.training_data import dataset_of
from aigc.store import ModelVersion


@dataclass(frozen=True)
class OtherData:
    """Training data that is not the data set of an evaluation."""

    digest: str
    seen: int | None
    """Test items of the evaluation that the model was trained on; None if it is unknown."""
    note: str
    """A sentence for the report."""


def of(version: ModelVersion, dataset: Dataset) -> OtherData | None:
    """None where the model was trained on `dataset`, or does not name its training data."""
    if not is_other(version.config, dataset):
        return None
    seen, test = _seen(version, dataset), f"{dataset.counts['test']:,} test {dataset.title}"
    if seen is None:
        known = "that data is not at hand, so it is unknown whether it has seen test items"
    elif seen:
        known = f"it has seen {seen:,} of the {test} in training, so the figures flatter it"
    else:
        known = f"it has seen none of the {test} in training"
    note = f"{in_words(version.config, dataset)}; {known}"
    return OtherData(version.config.data_digest, seen, note)


def is_other(config: ModelConfig, dataset: Dataset) -> bool:
    return config.data_digest not in ("", dataset.digest)


def in_words(config: ModelConfig, dataset: Dataset) -> str:
    ours, theirs = dataset.digest[:12], config.data_digest[:12]
    return (
        f"the model was trained on other data (digest {theirs}) than {dataset.uri} (digest {ours})"
    )


def _seen(version: ModelVersion, dataset: Dataset) -> int | None:
    with contextlib.suppress(DataError, StorageError):
        training = dataset_of(version)
        return None if training is None else trained_on(dataset, training)
    return None
