"""Real train images against real test images: what no model can be expected to beat."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from aigc.data.dataset import Dataset
from aigc.evaluation.cache import cached
from aigc.evaluation.comparison import Comparison, compare
from aigc.evaluation.frechet import FrechetTarget
from aigc.evaluation.prdc import Prdc
from aigc.evaluation.reference import Counts, Real
from aigc.specs import EvaluateSpec

_FIGURE, _MANIFOLD = "figure.", "prdc."


def baseline_of(
    dataset: Dataset,
    test: Real,
    train: Real,
    target: FrechetTarget,
    counts: Counts,
    spec: EvaluateSpec,
    extractor: str,
) -> Comparison:
    """`compare` with the train subset in the samples' place; from the cache if it is there."""

    def make() -> dict[str, npt.NDArray[Any]]:
        k, seed = spec.neighbours, spec.seed
        found = compare(train.features, test.features, target, counts, k, seed, intervals=False)
        manifolds = {f"{_MANIFOLD}{name}": value for name, value in vars(found.manifolds).items()}
        return manifolds | {
            f"{_FIGURE}{name}": np.array(figure["value"]) for name, figure in found.figures.items()
        }

    key = {"data": dataset.digest, "extractor": extractor, "seed": spec.seed, "format": 2}
    key |= {"counts": vars(counts), "neighbours": spec.neighbours}
    kept = cached(dataset.uri, "floor", key, make)
    figures = {name: {"value": float(value)} for name, value in _below(kept, _FIGURE).items()}
    return Comparison(figures, Prdc(**_below(kept, _MANIFOLD)))


def _below(arrays: dict[str, npt.NDArray[Any]], prefix: str) -> dict[str, npt.NDArray[Any]]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
