"""The real side of a comparison: test images, a train subset as the floor, both as features.

What only the data decides is kept in the data set's cache, so a second evaluation starts with it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from aigc.data.dataset import Dataset
from aigc.errors import DataError, SpecError
from aigc.evaluation.cache import cached
from aigc.evaluation.memorisation import Neighbours, nearest_training_images
from aigc.evaluation.stages import StageProgress
from aigc.modalities import MODALITIES
from aigc.modalities.learning import Extractor, Features
from aigc.specs import EvaluateSpec
from aigc.specs.evaluate import MIN_IMAGES
from aigc.types import Labels

MAX_TEST_NEIGHBOURS = 4_000
"""Test images that stand as the floor of the nearest-training-image check."""
KID_BLOCKS = 4
"""Fewest blocks of KID: their spread is its standard error."""
_TEST_ITEMS = 10_000


@dataclass(frozen=True)
class Counts:
    """How many images each figure is taken over."""

    samples: int
    test: int
    train_floor: int
    prdc: int
    kid_block: int
    test_neighbours: int


@dataclass(frozen=True)
class Real:
    """A drawn part of one split."""

    features: Features
    labels: Labels


def count_images(dataset: Dataset, spec: EvaluateSpec) -> Counts:
    """The counts asked for, or for defaults what the data set can give.

    Raises:
        DataError: a split is too small for any figure.
        SpecError: a count was asked for that the data set cannot give.
    """
    for split in ("test", "train"):
        if (found := dataset.counts[split]) < MIN_IMAGES:
            raise DataError(
                f"{dataset.uri}: the {split} split has {found} {dataset.title}, evaluation needs "
                f"at least {MIN_IMAGES}; prepare it with more of them or another test_fraction"
            )
    test = min(dataset.counts["test"], max(spec.samples, _TEST_ITEMS))
    train = min(dataset.counts["train"], spec.samples)
    most = min(test, train, spec.samples)
    if "prdc_samples" in spec.model_fields_set and spec.prdc_samples > most:
        raise SpecError(
            f"prdc_samples = {spec.prdc_samples}: of samples, test and train {dataset.title} the "
            f"fewest are {most}; choose at most {most}"
        )
    prdc = min(spec.prdc_samples, most)
    if spec.neighbours >= prdc:
        title = dataset.title
        raise SpecError(f"neighbours = {spec.neighbours}: choose fewer than the {prdc} {title}")
    block = min(1000, most // KID_BLOCKS)
    return Counts(spec.samples, test, train, prdc, block, min(test, MAX_TEST_NEIGHBOURS))


def planned_images(dataset: Dataset, spec: EvaluateSpec) -> int:
    """Images an evaluation looks at: the total of its progress report."""
    counts = count_images(dataset, spec)
    extractors = 2 if spec.inception_weights else 1
    drawn = counts.samples + counts.test + counts.train_floor
    return extractors * drawn + 2 * dataset.counts["train"]


def real_features(
    dataset: Dataset,
    split: str,
    count: int,
    seed: int,
    extractor: Extractor,
    stages: StageProgress,
    memory_bytes: int = sys.maxsize,
) -> Real:
    """`count` images of a split, drawn by `seed`, as features; from the cache if they are there.
    Images of more than `memory_bytes` lie in a file meanwhile."""

    def make() -> dict[str, np.ndarray]:
        items, labels = dataset.read(split, count, seed, memory_bytes)
        return {"features": extractor(items, stages.seen), "labels": labels}

    drawn = seed if count < dataset.counts[split] else None
    key = {"data": dataset.digest, "extractor": extractor.name, "split": split}
    with stages.stage(f"{split} {extractor.name}", count):
        found = cached(dataset.uri, "features", key | {"count": count, "seed": drawn}, make)
    return Real(found["features"], found["labels"])


def neighbours_of_test(
    dataset: Dataset, counts: Counts, spec: EvaluateSpec, stages: StageProgress
) -> Neighbours:
    """Nearest training images of some test images: the distances of what nobody copied."""
    count, seed = counts.test_neighbours, spec.seed

    def make() -> dict[str, np.ndarray]:
        items, _ = dataset.read("test", count, seed, spec.memory_bytes)
        pictures = MODALITIES[dataset.modality].learning.drawn(items, dataset.item)
        found = nearest_training_images(pictures, dataset, stages.seen)
        return {"distances": found.distances, "nearest": found.nearest}

    drawn = seed if count < dataset.counts["test"] else None
    key = {"data": dataset.digest, "count": count, "seed": drawn, "format": 1}
    with stages.stage("nearest training images of test", dataset.counts["train"]):
        found = cached(dataset.uri, "neighbours", key, make)
    return Neighbours(found["distances"], found["nearest"])
