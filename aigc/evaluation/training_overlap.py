"""Test items that a model was trained on, where it was trained on another data set."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator

from aigc.data.dataset import Dataset

_BATCH_ITEMS = 2048


def trained_on(dataset: Dataset, training: Dataset) -> int:
    """How many test items of `dataset` are training items of `training`, compared by their values.

    Memory is bounded by 16 bytes a test item and one batch. Raises DataError, StorageError.
    """
    test = Counter(_digests(dataset, "test"))
    known = {one for one in _digests(training, "train") if one in test}
    return sum(test[one] for one in known)


def _digests(dataset: Dataset, split: str) -> Iterator[bytes]:
    for items, _ in dataset.batches(split, _BATCH_ITEMS):
        for item in items:
            yield hashlib.blake2b(item.tobytes(), digest_size=16).digest()
