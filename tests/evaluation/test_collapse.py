from __future__ import annotations

import numpy as np

from aigc.evaluation.collapse import collapse_metrics, similarity
from aigc.evaluation.prdc import prdc

RNG = np.random.default_rng(0)
REAL, TRAIN = RNG.normal(size=(2, 600, 16)).astype(np.float32)


def verdict(samples: np.ndarray, missing: list[str] | None = None):
    model, baseline = prdc(REAL, samples, 5), prdc(REAL, TRAIN, 5)
    figures = {
        name: {"model": getattr(model, name).mean(), "floor": getattr(baseline, name).mean()}
        for name in ("recall", "coverage")
    }
    return collapse_metrics(figures, similarity(model, baseline), missing)


def test_a_healthy_set_is_not_flagged() -> None:
    found = verdict(RNG.normal(size=(600, 16)).astype(np.float32))
    assert found["verdict"] == "none"
    assert found["reasons"] == []


def test_a_somewhat_narrow_set_is_not_flagged() -> None:
    assert verdict(0.8 * RNG.normal(size=(600, 16)).astype(np.float32))["verdict"] == "none"


def test_a_few_modes_are_flagged_with_their_reasons() -> None:
    modes = REAL[RNG.integers(0, 6, 600)]
    found = verdict(modes + 0.01 * RNG.normal(size=modes.shape).astype(np.float32))
    assert found["verdict"].startswith("suspected: ")
    assert "coverage" in found["verdict"]
    assert "near copies of each other" in found["verdict"]
    assert found["repeated"]["model"] > 0.9


def test_a_missing_class_is_flagged() -> None:
    found = verdict(RNG.normal(size=(600, 16)).astype(np.float32), missing=["bag"])
    assert found["verdict"] == "suspected: almost no samples of bag"
