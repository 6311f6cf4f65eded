"""One evaluation: samples against a data set, every figure beside its floor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aigc.data.dataset import Dataset
from aigc.errors import SpecError
from aigc.evaluation.baseline import baseline_of
from aigc.evaluation.classes import class_metrics
from aigc.evaluation.classifier import fit
from aigc.evaluation.collapse import collapse_metrics, similarity
from aigc.evaluation.comparison import compare, frechet_metrics, with_baseline
from aigc.evaluation.extractor import extractor_for
from aigc.evaluation.frechet import FrechetTarget
from aigc.evaluation.memorisation import (
    memorisation_metrics,
    nearest_training_images,
    training_images,
)
from aigc.evaluation.page import Pairs, draw_page
from aigc.evaluation.protocol import notes, protocol
from aigc.evaluation.reference import (
    Counts,
    Real,
    count_images,
    neighbours_of_test,
    planned_images,
    real_features,
)
from aigc.evaluation.stages import StageProgress
from aigc.modalities import MODALITIES, ItemType
from aigc.modalities.base import Items
from aigc.modalities.learning import Extractor, Features
from aigc.specs import EvaluateSpec
from aigc.types import Json, Labels, Report, UInt8Images, silent

PAIRS = 10
"""Closest pairs of sample and training image in the report."""


@dataclass(frozen=True)
class Evaluation:
    """The figures, and the pictures that belong on the page beside them."""

    figures: Json
    pictures: UInt8Images
    labels: Labels | None
    names: tuple[str, ...]
    pairs: Pairs

    def page(self, title: str, subtitle: str) -> bytes:
        """All of it as one PNG."""
        return draw_page(
            self.figures, self.pictures, self.labels, self.names, self.pairs, title, subtitle
        )


def evaluate_samples(
    items: Items,
    labels: Labels | None,
    dataset: Dataset,
    spec: EvaluateSpec,
    report: Report = silent,
) -> Json:
    """Figures of samples (N, *shape) against `dataset`'s test split, JSON-able.

    Args:
        labels: The class each sample was asked for, an index into `dataset.labels`; None if none.
        spec: Its `seed` decides every random choice; `samples` must be N.

    Raises:
        SpecError, DataError: counts, shapes or weights that do not fit; one line.
    """
    return evaluate(items, labels, dataset, spec, report).figures


def evaluate(
    items: Items,
    labels: Labels | None,
    dataset: Dataset,
    spec: EvaluateSpec,
    report: Report = silent,
    done: int = 0,
    remarks: Sequence[str] = (),
) -> Evaluation:
    """As `evaluate_samples`, with the pictures; `done` images of the progress went before, and
    `remarks` are further notes."""
    check_samples(items, dataset, spec)
    counts = count_images(dataset, spec)
    learning = MODALITIES[dataset.modality].learning
    inception = learning.inception(spec.inception_weights) if spec.inception_weights else None
    stages = StageProgress(report, planned_images(dataset, spec) + done, done)
    pictures = learning.drawn(items, dataset.item)
    run = _Run(items, pictures, labels, dataset, spec, counts, stages)
    with stages.stage("extractor"):
        extractor = extractor_for(dataset, memory_bytes=spec.memory_bytes)
    figures, alike, classes = run.compare(extractor)
    if inception is not None:
        figures |= run.inception(inception)
    copies, pairs = run.copies()
    result: Json = {
        "format": 1,
        "data": {"uri": dataset.uri, "digest": dataset.digest, "source": dataset.source},
        "protocol": protocol(
            dataset, counts, spec, extractor.name, inception.name if inception else None
        ),
        "figures": figures,
        "collapse": collapse_metrics(figures, alike, classes["missing"] if classes else None),
        "memorisation": copies,
        "classes": classes,
        "notes": [*remarks, *notes(items, labels, dataset, counts)],
        "seconds": stages.seconds | {"total": round(sum(stages.seconds.values()), 2)},
    }
    return Evaluation(_plain(result), pictures, labels, dataset.labels, pairs)


def check_samples(items: Items, dataset: Dataset, spec: EvaluateSpec) -> None:
    """Raises SpecError when these samples cannot be compared with this data set."""
    kind, stored = MODALITIES[dataset.modality], dataset.item
    if len(items) != spec.samples:
        raise SpecError(
            f"samples = {spec.samples}: {len(items)} {kind.title} were given; give as many"
        )
    found = kind.learning.unlike(ItemType(items.shape[1:], stored.dtype, stored.rate_hz), stored)
    if found:
        made, others, how = found
        raise SpecError(
            f"the samples have {made}, {dataset.uri} has {others}; prepare the data with {how}"
        )


@dataclass(frozen=True)
class _Run:
    """What the stages of one evaluation share."""

    items: Items
    pictures: UInt8Images
    """For people, one an item."""
    labels: Labels | None
    dataset: Dataset
    spec: EvaluateSpec
    counts: Counts
    stages: StageProgress

    def compare(self, extractor: Extractor) -> tuple[Json, Json, Json | None]:
        """Figures beside the floor, similarity among samples, and class figures if any."""
        test, train, features = self._features(extractor)
        spec, counts = self.spec, self.counts
        with self.stages.stage("distances"):
            target = FrechetTarget(test.features)
            model = compare(features, test.features, target, counts, spec.neighbours, spec.seed)
        with self.stages.stage("floor"):
            baseline = baseline_of(self.dataset, test, train, target, counts, spec, extractor.name)
        with self.stages.stage("classes"):
            classes = self._classes(features, test, train)
        figures = with_baseline(model.figures, baseline.figures) | _summary(classes)
        return figures, similarity(model.manifolds, baseline.manifolds), classes

    def inception(self, extractor: Extractor) -> Json:
        """The classic FID, with its floor."""
        test, train, features = self._features(extractor)
        with self.stages.stage(f"{extractor.name} distances"):
            target = FrechetTarget(test.features)
            model = frechet_metrics(features, target, self.spec.seed)
            baseline = frechet_metrics(train.features, target, self.spec.seed, intervals=False)
            return {"fid_inception": with_baseline(model, baseline)["fd"]}

    def copies(self) -> tuple[Json, Pairs]:
        """The nearest-training-image check, and its closest pairs."""
        train = self.dataset.counts["train"]
        with self.stages.stage("nearest training images", train):
            near = nearest_training_images(self.pictures, self.dataset, self.stages.seen)
        baseline = neighbours_of_test(self.dataset, self.counts, self.spec, self.stages)
        with self.stages.stage("closest pairs"):
            rows = near.closest(PAIRS)
            originals, _ = training_images(self.dataset, near.nearest[rows].tolist())
        closest = [
            {"sample": int(row), "training_image": int(near.nearest[row]), "distance": distance}
            for row, distance in zip(rows, near.distances[rows, 0].tolist(), strict=True)
        ]
        level = MODALITIES[self.dataset.modality].learning.level
        found = memorisation_metrics(near, baseline, level)
        pairs = Pairs(self.pictures[rows], originals, near.distances[rows, 0])
        return found | {"training_images": train, "closest": closest}, pairs

    def _features(self, extractor: Extractor) -> tuple[Real, Real, Features]:
        counts, stages = self.counts, self.stages

        def real(split: str, count: int) -> Real:
            spec = self.spec
            return real_features(
                self.dataset, split, count, spec.seed, extractor, stages, spec.memory_bytes
            )

        test, train = real("test", counts.test), real("train", counts.train_floor)
        with stages.stage(f"sample {extractor.name}", counts.samples):
            return test, train, extractor(self.items, stages.seen)

    def _classes(self, features: Features, test: Real, train: Real) -> Json | None:
        names = self.dataset.labels
        if len(names) < 2:
            return None
        classifier = fit(train.features, train.labels, len(names))
        return class_metrics(classifier, features, self.labels, test, train, names)


def _summary(classes: Json | None) -> Json:
    """The figures over all classes, as lines of the same table."""
    better = {
        "label_agreement": "higher",
        "class_imbalance": "lower",
        "class_entropy_bits": "near the floor",
        "modes": "higher",
    }
    if classes is None:
        return {}
    return {name: classes[name] | {"better": better[name]} for name in better if classes[name]}


def _plain(value: Any) -> Any:
    """Without what JSON cannot say: NaN and infinities become None."""
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case float() if not math.isfinite(value):
            return None
    return value
