"""How far samples are from test images, each figure with its interval and its floor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc.evaluation.frechet import FrechetTarget
from aigc.evaluation.kid import kernel_distance
from aigc.evaluation.prdc import Prdc, Values, prdc
from aigc.evaluation.reference import Counts
from aigc.modalities.learning import Features
from aigc.types import Json

_Z = 1.959964
"""Standard errors either side of a 95 % interval."""


@dataclass(frozen=True)
class Comparison:
    """One set against the test images: figures by name, and the ball radii behind them."""

    figures: Json
    manifolds: Prdc


def compare(
    features: Features,
    test: Features,
    target: FrechetTarget,
    counts: Counts,
    k: int,
    seed: int,
    *,
    intervals: bool = True,
) -> Comparison:
    """Fréchet distance, KID, precision, recall, density and coverage of `features`.

    Each figure: `value` and, with `intervals`, `low` and `high` of 95 % over the choice of images,
    the other set given: from balanced halves for FD (which takes longest), blocks for KID, items
    for the rest.
    """
    found = prdc(_draw(test, counts.prdc, seed), _draw(features, counts.prdc, seed + 1), k)
    kid = kernel_distance(test, features, counts.kid_block, seed)
    figures = frechet_metrics(features, target, seed, intervals=intervals)
    figures["kid"] = _figure(kid.value, kid.standard_error)
    for name in ("precision", "recall", "density", "coverage"):
        figures[name] = _mean(getattr(found, name), bounded=name != "density")
    return Comparison(figures, found)


def frechet_metrics(
    features: Features, target: FrechetTarget, seed: int, *, intervals: bool = True
) -> Json:
    """`fd` alone."""
    value = target.distance(features)
    if not intervals:
        return {"fd": {"value": value}}
    return {"fd": _figure(value, target.standard_error(features, seed), least=0)}


def with_baseline(model: Json, baseline: Json) -> Json:
    """Each figure of the model with the floor's value and the direction that is better."""
    better = {"fd": "lower", "kid": "lower", "density": "near the floor"}
    return {
        name: {
            "model": figure["value"],
            "floor": baseline[name]["value"],
            "low": figure["low"],
            "high": figure["high"],
            "better": better.get(name, "higher"),
        }
        for name, figure in model.items()
    }


def _draw(features: Features, count: int, seed: int) -> Features:
    return features[np.random.default_rng(seed).permutation(len(features))[:count]]


def _mean(values: Values, *, bounded: bool) -> dict[str, Any]:
    error = float(values.std(ddof=1) / np.sqrt(len(values)))
    return _figure(float(values.mean()), error, 0, 1 if bounded else np.inf)


def _figure(
    value: float, error: float, least: float = -np.inf, most: float = np.inf
) -> dict[str, float]:
    low, high = max(least, value - _Z * error), min(most, value + _Z * error)
    return {"value": value, "low": low, "high": high}
