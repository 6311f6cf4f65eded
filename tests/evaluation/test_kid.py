from __future__ import annotations

import numpy as np
import pytest

from aigc.evaluation.kid import kernel_distance


def reference(x, y) -> float:
    """Equation 4 of the paper, term by term."""
    dims = x.shape[1]

    def kernel(a, b) -> float:
        return (float(a @ b) / dims + 1) ** 3

    n = len(x)
    within = sum(
        kernel(x[i], x[j]) + kernel(y[i], y[j]) for i in range(n) for j in range(n) if i != j
    )
    across = sum(kernel(a, b) for a in x for b in y)
    return within / (n * (n - 1)) - 2 * across / n**2


def test_one_block_is_the_unbiased_estimate() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 12, 5))
    found = kernel_distance(x.astype(np.float32), y.astype(np.float32), 12, 0)
    assert found.value == pytest.approx(reference(x, y), rel=1e-4)
    assert found.standard_error == 0


def test_one_distribution_is_at_zero_within_its_error() -> None:
    x, y = np.random.default_rng(1).normal(size=(2, 2000, 16)).astype(np.float32)
    found = kernel_distance(x, y, 100, 0)
    assert abs(found.value) < 3 * found.standard_error
    assert kernel_distance(x, y + 1, 100, 0).value > 20 * found.standard_error


def test_the_seed_decides_the_blocks() -> None:
    x, y = np.random.default_rng(2).normal(size=(2, 300, 4)).astype(np.float32)
    assert kernel_distance(x, y, 100, 3) == kernel_distance(x, y, 100, 3)
    assert kernel_distance(x, y, 100, 3) != kernel_distance(x, y, 100, 4)
