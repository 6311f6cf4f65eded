"""Kernel inception distance (Bińkowski et al. 2018): the unbiased squared MMD with the polynomial
kernel k(x, y) = (xᵀy / D + 1)³, averaged over disjoint blocks, whose spread is its standard error.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from aigc.modalities.learning import Features


class Kid(NamedTuple):
    value: float
    standard_error: float
    """Of the mean over blocks; 0 when there is only one block."""


def kernel_distance(first: Features, second: Features, block_items: int, seed: int) -> Kid:
    """Near 0 (of either sign) for sets of one distribution. Needs two rows a set, and a block."""
    rng = np.random.default_rng(seed)
    x, y = (torch.from_numpy(f[rng.permutation(len(f))]) for f in (first, second))
    size = min(block_items, len(x), len(y))
    blocks = min(len(x), len(y)) // size
    rows = [slice(number * size, (number + 1) * size) for number in range(blocks)]
    values = np.array([squared_mmd(x[row], y[row]) for row in rows])
    error = values.std(ddof=1) / np.sqrt(blocks) if blocks > 1 else 0.0
    return Kid(float(values.mean()), float(error))


def squared_mmd(x: torch.Tensor, y: torch.Tensor) -> float:
    """Equation 4 there, of float (N, D) and (M, D), two rows or more each: pairs of one set without
    an item's pair with itself."""
    within = sum(_without_self(_kernel(rows, rows)) for rows in (x, y))
    return within - 2 * float(_kernel(x, y).mean())


def _without_self(kernel: torch.Tensor) -> float:
    n = len(kernel)
    return float(kernel.sum() - kernel.diagonal().sum()) / (n * (n - 1))


def _kernel(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Inner products in float32, powers and sums of them in float64."""
    return ((x @ y.T).double() / x.shape[1] + 1) ** 3
