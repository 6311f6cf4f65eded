"""Fréchet distance between two sets of features seen as Gaussians (Heusel et al. 2017, eq. 6):

    d² = |μ1 - μ2|² + tr(Σ1 + Σ2 - 2 (Σ1 Σ2)^½)

The trace of the root comes from symmetric eigenvalues, tr (Σ1 Σ2)^½ = Σ √λ(Σ1^½ Σ2 Σ1^½), which
stay real where a general matrix root does not. It falls with the number of images (Chung & Forsyth
2020), so only figures of equal counts compare.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from aigc.modalities.learning import Features

_BALANCED = ((1, 1, 1, 1), (1, 1, -1, -1), (1, -1, 1, -1), (1, -1, -1, 1))
"""Rows of a Hadamard matrix: which of four pairs of groups goes to which half."""


@dataclass(frozen=True)
class FeatureMoments:
    """Mean float64 (D,), covariance float64 (D, D), and of how many vectors."""

    mean: torch.Tensor
    covariance: torch.Tensor
    count: int

    @functools.cached_property
    def root(self) -> torch.Tensor:
        """The symmetric square root of the covariance."""
        values, vectors = torch.linalg.eigh(self.covariance)
        root: torch.Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
        return root


def moments(features: Features) -> FeatureMoments:
    """At least two rows. Computed in float64: features have large means and small eigenvalues."""
    x = torch.from_numpy(features).double()
    mean = x.mean(0)
    x -= mean
    return FeatureMoments(mean, x.T @ x / (len(x) - 1), len(x))


def frechet_distance(first: FeatureMoments, second: FeatureMoments) -> float:
    """d² ≥ 0 as above; 0 for equal moments. The root taken is `first`'s, kept for the next call."""
    inner = first.root @ second.covariance @ first.root
    cross = torch.linalg.eigvalsh((inner + inner.T) / 2).clamp(min=0).sqrt().sum()
    gap = (first.mean - second.mean).square().sum()
    traces = first.covariance.trace() + second.covariance.trace()
    return max(0.0, float(gap + traces - 2 * cross))


def frechet_distance_of_few(first: Features, second: Features) -> float:
    """The same number by way of the (N1, N2) matrix of inner products: cheap where N < D.

    The non-zero eigenvalues of Σ1 Σ2 are the squared singular values of X1 X2ᵀ / √((N1-1)(N2-1)).
    """
    x, y = (torch.from_numpy(features).double() for features in (first, second))
    gap = (x.mean(0) - y.mean(0)).square().sum()
    x, y = x - x.mean(0), y - y.mean(0)
    x, y = x / (len(x) - 1) ** 0.5, y / (len(y) - 1) ** 0.5
    inner = x @ y.T if len(x) < len(y) else y @ x.T
    cross = torch.linalg.eigvalsh(inner @ inner.T).clamp(min=0).sqrt().sum()
    return max(0.0, float(gap + x.square().sum() + y.square().sum() - 2 * cross))


class FrechetTarget:
    """The set that others are measured against. Needs two rows, as do the others."""

    def __init__(self, features: Features) -> None:
        self._features = features

    @functools.cached_property
    def _moments(self) -> FeatureMoments:
        return moments(self._features)

    def distance(self, features: Features) -> float:
        """d² of `features`, by whichever of the two ways is cheaper."""
        if self._few(features):
            return frechet_distance_of_few(features, self._features)
        return frechet_distance(self._moments, moments(features))

    def standard_error(self, features: Features, seed: int) -> float:
        """Standard error of the distance over the choice of `features`, from balanced halves.

        The set is cut into eight groups, and into halves in four balanced ways (McCarthy 1969).
        Halves are biased alike, so their difference is clean of the bias that a bootstrap would
        add; half that difference has the variance of the distance of the whole set, and more than
        that where there are fewer rows than dimensions. Needs 16 rows.
        """
        order = np.random.default_rng(seed).permutation(len(features))
        groups = np.array_split(order, 8)
        if self._few(features):
            distances = [
                self.distance(features[np.concatenate([groups[i] for i in half])])
                for half in _halves()
            ]
        else:
            sums = [_Sums.of(features[group]) for group in groups]
            unions = [functools.reduce(_Sums.plus, [sums[i] for i in half]) for half in _halves()]
            distances = [frechet_distance(self._moments, union.moments) for union in unions]
        one, other = np.array(distances).reshape(-1, 2).T
        return float(np.sqrt(np.mean(((one - other) / 2) ** 2)))

    def _few(self, features: Features) -> bool:
        fewest = min(len(features), len(self._features))
        return bool(2 * fewest < features.shape[1])


def _halves() -> Iterator[list[int]]:
    """Groups of a half, then those of the other half, for each way to divide."""
    for signs in _BALANCED:
        half = [2 * pair + (sign < 0) for pair, sign in enumerate(signs)]
        yield half
        yield [group for group in range(8) if group not in half]


@dataclass(frozen=True)
class _Sums:
    """Σx and Σxxᵀ, so that moments of a union cost one addition."""

    total: torch.Tensor
    outer: torch.Tensor
    count: int

    @classmethod
    def of(cls, features: npt.NDArray[np.float32]) -> _Sums:
        x = torch.from_numpy(features).double()
        return cls(x.sum(0), x.T @ x, len(x))

    def plus(self, other: _Sums) -> _Sums:
        return _Sums(self.total + other.total, self.outer + other.outer, self.count + other.count)

    @property
    def moments(self) -> FeatureMoments:
        mean = self.total / self.count
        spread = self.outer - self.count * mean.outer(mean)
        return FeatureMoments(mean, spread / (self.count - 1), self.count)
