"""One evaluation: samples against a data set, every figure beside its floor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc.data.dataset import Dataset
from aigc.errors import SpecError
from aigc.evaluation.cache import cached
from aigc.evaluation.classes import class_figures
from aigc.evaluation.classifier import fit
from aigc.evaluation.collapse import collapse_figures, similarity
from aigc.evaluation.features import Features, efficientnet_lite0, inception_v3
from aigc.evaluation.figures import Comparison, beside, compare, frechet_figures
from aigc.evaluation.frechet import Moments, moments
from aigc.evaluation.memorisation import (
    memorisation_figures,
    nearest_training_images,
    training_images,
)
from aigc.evaluation.page import Pairs, draw_page
from aigc.evaluation.prdc import Prdc
from aigc.evaluation.reference import (
    Counts,
    Real,
    count_images,
    planned_images,
    real_features,
    test_neighbours,
)
from aigc.evaluation.stages import Stages
from aigc.specs import EvaluateSpec
from aigc.types import Json, Labels, Report, UInt8Images, silent

PAIRS = 10


@dataclass(frozen=True)
class Evaluation:
    """The figures, and the pictures that belong on the page beside them."""

    figures: Json
    pixels: UInt8Images
    labels: Labels | None
    names: tuple[str, ...]
    pairs: Pairs

    def page(self, title: str, subtitle: str) -> bytes:
        """All of it as one PNG."""
        return draw_page(
            self.figures, self.pixels, self.labels, self.names, self.pairs, title, subtitle
        )


def evaluate_samples(
    pixels: UInt8Images,
    labels: Labels | None,
    dataset: Dataset,
    spec: EvaluateSpec,
    report: Report = silent,
) -> Json:
    """Figures of uint8 (N, H, W, C) samples against `dataset`'s test split, JSON-able.

    Args:
        labels: The class each sample was asked for, an index into `dataset.labels`; None if none.
        spec: Its `seed` decides every random choice; `samples` must be N.

    Raises:
        SpecError, DataError: counts, channels or weights that do not fit; one line.
    """
    return evaluate(pixels, labels, dataset, spec, report).figures


def evaluate(
    pixels: UInt8Images,
    labels: Labels | None,
    dataset: Dataset,
    spec: EvaluateSpec,
    report: Report = silent,
    done: int = 0,
) -> Evaluation:
    """As `evaluate_samples`; `done` images of the reported progress went before."""
    check_samples(pixels, dataset, spec)
    counts = count_images(dataset, spec)
    stages = Stages(report, planned_images(dataset, spec) + done, done)
    notes = _notes(pixels, labels, dataset, counts)

    extractor = efficientnet_lite0()
    test = real_features(dataset, "test", counts.test, spec.seed, extractor, stages)
    train = real_features(dataset, "train", counts.train_floor, spec.seed, extractor, stages)
    with stages.stage("sample features", counts.samples):
        features = extractor(pixels, stages.seen)
    with stages.stage("distances"):
        test_moments = moments(test.features)
        floor = _floor(dataset, test, train, test_moments, counts, spec, extractor.name)
        model = compare(features, test.features, test_moments, counts, spec.neighbours, spec.seed)
    figures = beside(model.figures, floor.figures)
    with stages.stage("classes"):
        classes = _classes(dataset, (features, labels), test, train)
    figures |= _class_summary(classes)
    with stages.stage("sample neighbours", dataset.counts["train"]):
        near = nearest_training_images(pixels, dataset, stages.seen)
    test_near = test_neighbours(dataset, counts.test_neighbours, spec.seed, stages)
    inception = _inception(pixels, dataset, counts, spec, stages)
    if inception is not None:
        figures |= {"fid_inception": inception["fd"]}
    with stages.stage("pairs"):
        closest = near.closest(PAIRS)
        originals, _ = training_images(dataset, near.nearest[closest].tolist())

    alike = similarity(model.manifolds, floor.manifolds)
    result: Json = {
        "format": 1,
        "data": {"uri": dataset.uri, "digest": dataset.digest, "source": dataset.source},
        "protocol": _protocol(counts, spec, extractor.name, inception),
        "figures": figures,
        "collapse": collapse_figures(figures, alike, classes["missing"] if classes else None),
        "memorisation": memorisation_figures(near, test_near)
        | {
            "training_images": dataset.counts["train"],
            "closest": [
                {
                    "sample": int(row),
                    "training_image": int(near.nearest[row]),
                    "distance": float(near.distances[row, 0]),
                }
                for row in closest
            ],
        },
        "classes": classes,
        "notes": notes,
        "seconds": stages.seconds | {"total": round(sum(stages.seconds.values()), 2)},
    }
    pairs = Pairs(pixels[closest], originals, near.distances[closest, 0])
    return Evaluation(_plain(result), pixels, labels, dataset.labels, pairs)


def check_samples(pixels: UInt8Images, dataset: Dataset, spec: EvaluateSpec) -> None:
    """Raises SpecError when these samples cannot be compared with this data set."""
    if len(pixels) != spec.samples:
        raise SpecError(f"samples = {spec.samples}: {len(pixels)} images were given; give as many")
    if pixels.shape[-1] != dataset.channels:
        raise SpecError(
            f"the samples have {pixels.shape[-1]} channel(s), {dataset.uri} has "
            f"{dataset.channels}; prepare the data with channels: {pixels.shape[-1]}"
        )


def _floor(
    dataset: Dataset,
    test: Real,
    train: Real,
    test_moments: Moments,
    counts: Counts,
    spec: EvaluateSpec,
    extractor: str,
) -> Comparison:
    """Real train images against real test images: what no model can be expected to beat."""

    def make() -> dict[str, np.ndarray]:
        found = compare(
            train.features, test.features, test_moments, counts, spec.neighbours, spec.seed
        )
        arrays = {f"prdc.{name}": value for name, value in vars(found.manifolds).items()}
        flat = {f"figure.{name}": list(value.values()) for name, value in found.figures.items()}
        return arrays | {name: np.array(value) for name, value in flat.items()}

    key = {"data": dataset.digest, "extractor": extractor, "seed": spec.seed, "format": 1}
    key |= {"counts": vars(counts), "neighbours": spec.neighbours}
    kept = cached(dataset.uri, "floor", key, make)
    figures = {
        name.removeprefix("figure."): dict(
            zip(("value", "low", "high"), map(float, v), strict=True)
        )
        for name, v in kept.items()
        if name.startswith("figure.")
    }
    radii = {k.removeprefix("prdc."): v for k, v in kept.items() if k.startswith("prdc.")}
    return Comparison(figures, Prdc(**radii))


def _classes(
    dataset: Dataset, samples: tuple[Features, Labels | None], test: Real, train: Real
) -> Json | None:
    if len(dataset.labels) < 2:
        return None
    fitted = fit(train.features, train.labels, len(dataset.labels))
    real = (test.features, test.labels), (train.features, train.labels)
    return class_figures(fitted, samples, *real, dataset.labels)


def _class_summary(classes: Json | None) -> Json:
    """The figures over all classes, as lines of the same table."""
    if classes is None:
        return {}
    better = {"label_agreement": "higher", "class_imbalance": "lower", "modes": "higher"}
    better["class_entropy_bits"] = "near the floor"
    return {
        name: classes[name] | {"better": way}
        for name, way in better.items()
        if classes[name] is not None
    }


def _inception(
    pixels: UInt8Images, dataset: Dataset, counts: Counts, spec: EvaluateSpec, stages: Stages
) -> Json | None:
    """The Fréchet distance on Inception features, when weights were given."""
    if spec.inception_weights is None:
        return None
    extractor = inception_v3(spec.inception_weights)
    test = real_features(dataset, "test", counts.test, spec.seed, extractor, stages)
    train = real_features(dataset, "train", counts.train_floor, spec.seed, extractor, stages)
    with stages.stage("sample inception features", counts.samples):
        features = extractor(pixels, stages.seen)
    test_moments = moments(test.features)
    model, floor = (frechet_figures(f, test_moments, spec.seed) for f in (features, train.features))
    return beside(model, floor) | {"extractor": extractor.name}


def _protocol(counts: Counts, spec: EvaluateSpec, extractor: str, inception: Json | None) -> Json:
    given = "not computed: no --inception-weights given"
    return {
        "split": "test",
        "floor": "a random part of the train split against the test split",
        "counts": vars(counts),
        "seed": spec.seed,
        "neighbours": spec.neighbours,
        "extractor": extractor,
        "inception": inception["extractor"] if inception else given,
        "interval": "95 %, over the choice of images of the model, test images given",
    }


def _notes(
    pixels: UInt8Images, labels: Labels | None, dataset: Dataset, counts: Counts
) -> list[str]:
    notes = []
    size, stored = pixels.shape[1:3], (dataset.height, dataset.width)
    if size != stored:
        notes.append(
            f"samples are {size[1]}×{size[0]}, the data {stored[1]}×{stored[0]}: both were resized "
            "to the extractor's size, so sharpness counts in the figures"
        )
    if len(dataset.labels) < 2:
        notes.append("the data has no classes: class figures are left out")
    elif labels is None:
        notes.append("the model takes no labels: label agreement is left out")
    if counts.train_floor < counts.samples:
        notes.append(
            f"the floor is taken over {counts.train_floor:,} train images, fewer than the "
            f"{counts.samples:,} samples: it is a little high"
        )
    return notes


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
