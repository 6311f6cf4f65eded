"""Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

Each set's manifold is the union of balls around its items that reach to their k-th neighbour.
Precision: share of samples inside the real manifold. Recall: share of real items inside the
samples' manifold. Density: how many real balls hold a sample, over k. Coverage: share of real balls
that hold a sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from aigc.modalities.learning import Features

_CHUNK_ITEMS = 1024

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prdc:
    """One value an item: precision and density a sample; recall and coverage a real item.

    `real_radii` and `sample_radii` are the distances to the k-th neighbour in the same set.
    """

    precision: Values
    recall: Values
    density: Values
    coverage: Values
    real_radii: Values
    sample_radii: Values


def prdc(real: Features, samples: Features, neighbours: int) -> Prdc:
    """Needs more than `neighbours` rows in each set."""
    centre = real.mean(0)
    x, y = torch.from_numpy(real - centre), torch.from_numpy(samples - centre)
    real_radii, sample_radii = radii(x, neighbours), radii(y, neighbours)
    precision = torch.zeros(len(y), dtype=torch.bool)
    density = torch.zeros(len(y), dtype=torch.float64)
    recall, coverage = [], []
    for rows, distances in _chunks(x, y):
        inside = distances < real_radii[rows, None]
        precision |= inside.any(0)
        density += inside.sum(0)
        recall.append((distances < sample_radii).any(1))
        coverage.append(inside.any(1))
    parts = (precision, torch.cat(recall), density / neighbours, torch.cat(coverage))
    return Prdc(*(part.double().numpy() for part in (*parts, real_radii, sample_radii)))


def radii(x: torch.Tensor, neighbours: int) -> torch.Tensor:
    """(N,) distances from each row of (N, D) to its k-th nearest other row."""
    parts = []
    for rows, distances in _chunks(x, x):
        own = torch.arange(rows.start, rows.stop)
        distances[own - rows.start, own] = 0
        parts.append(distances.topk(neighbours + 1, largest=False).values[:, -1])
    return torch.cat(parts)


def _chunks(x: torch.Tensor, y: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
    """Euclidean distances of a slice of x's rows to all of y, slice by slice: bounded memory."""
    lengths = y.square().sum(1)
    for start in range(0, len(x), _CHUNK_ITEMS):
        rows = slice(start, min(start + _CHUNK_ITEMS, len(x)))
        squared = torch.addmm(lengths, x[rows], y.T, alpha=-2)
        squared += x[rows].square().sum(1, keepdim=True)
        yield rows, squared.clamp_(min=0).sqrt_()
