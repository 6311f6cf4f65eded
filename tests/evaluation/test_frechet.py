from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from aigc.evaluation.frechet import (
    FrechetTarget,
    frechet_distance,
    frechet_distance_of_few,
    moments,
)


def gaussian(count: int, dims: int, seed: int, scale: float = 1.0, shift: float = 0.0):
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(7).normal(size=(dims, dims)) / dims**0.5
    return (rng.normal(size=(count, dims)) @ mix * scale + shift).astype(np.float32)


def by_matrix_root(first, second) -> float:
    x, y = first.astype(np.float64), second.astype(np.float64)
    a, b = np.cov(x.T), np.cov(y.T)
    root = scipy.linalg.sqrtm(a @ b).real
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * root)


@pytest.mark.parametrize("count", [20, 400])
def test_it_is_the_formula_with_a_matrix_root(count: int) -> None:
    first, second = gaussian(count, 24, 0), gaussian(count, 24, 1, scale=1.5, shift=0.3)
    expected = by_matrix_root(first, second)
    assert frechet_distance(moments(first), moments(second)) == pytest.approx(expected, rel=1e-5)
    assert frechet_distance_of_few(first, second) == pytest.approx(expected, rel=1e-5)


def test_equal_sets_are_at_distance_zero() -> None:
    features = gaussian(300, 40, 0)
    assert frechet_distance(moments(features), moments(features)) == pytest.approx(0, abs=1e-6)
    assert frechet_distance_of_few(features, features) == pytest.approx(0, abs=1e-4)


def test_a_shift_costs_its_square_and_a_scale_the_square_of_the_difference() -> None:
    features = gaussian(500, 10, 0)
    found = moments(features)
    assert frechet_distance(found, moments(features + 2)) == pytest.approx(40, rel=1e-5)
    doubled = (features - features.mean(0)) * 2 + features.mean(0)
    expected = float(found.covariance.trace())
    assert frechet_distance(found, moments(doubled)) == pytest.approx(expected, rel=1e-4)


def test_the_standard_error_is_the_spread_over_fresh_sets() -> None:
    target = FrechetTarget(gaussian(4000, 8, 0))
    sets = [gaussian(400, 8, seed, shift=0.2) for seed in range(1, 41)]
    spread = np.std([target.distance(features) for features in sets])
    errors = [target.standard_error(features, 0) for features in sets]
    assert np.mean(errors) == pytest.approx(spread, rel=0.35)


def test_both_ways_give_the_same_distance_and_error(monkeypatch: pytest.MonkeyPatch) -> None:
    target, features = FrechetTarget(gaussian(90, 30, 0)), gaussian(80, 30, 1, shift=0.1)
    many = target.distance(features), target.standard_error(features, 0)
    monkeypatch.setattr(FrechetTarget, "_few", lambda self, features: True)
    few = target.distance(features), target.standard_error(features, 0)
    assert few == pytest.approx(many, rel=1e-4)
