"""The features that a data set's items are compared in."""

from __future__ import annotations

import sys

from aigc.data.dataset import Dataset
from aigc.evaluation.cache import Arrays, cached
from aigc.modalities import MODALITIES
from aigc.modalities.learning import Extractor

_MOST_ITEMS = 20_000
_FORMAT = 1


def extractor_for(
    dataset: Dataset, device: str | None = None, memory_bytes: int = sys.maxsize
) -> Extractor:
    """The extractor of the data set's kind of content.

    What it has to learn it learns from up to 20,000 items of the train split, once: it is kept in
    the data set's cache. Those of more than `memory_bytes` lie in a file meanwhile.
    """
    learning = MODALITIES[dataset.modality].learning

    def learn() -> Arrays:
        items, labels = dataset.read("train", _MOST_ITEMS, 0, memory_bytes)
        return dict(learning.learnt(items, labels, len(dataset.labels), dataset.item))

    weights: Arrays = {}
    if learning.learns:
        weights = cached(dataset.uri, "extractor", {"data": dataset.digest, "v": _FORMAT}, learn)
    return learning.extractor(weights, dataset.item, device)
