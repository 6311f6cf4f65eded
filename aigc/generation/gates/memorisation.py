"""Pictures that stand too close to a training image.

Distances are taken between 16x16 grey averages rounded to whole levels. Their sums of squares stay
below 2^24, so float32 holds them exactly and a verdict is the same on every machine, in any batch.
Most training images are ruled out by their first principal components alone, whose distance is a
lower bound of the whole one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from aigc.data.dataset import Dataset
from aigc.data.fingerprints import averages
from aigc.errors import SpecError
from aigc.evaluation.cache import cached
from aigc.modalities.base import Items

CELLS = 16
_COMPONENTS = 24
_READ_ITEMS = 2048
_QUERY_ITEMS = 128
_KNOWN_ITEMS = 8192
_MANY = 0.01
"""Share of pairs not ruled out from which whole distances are taken at once."""
_PAIRS = 2**15
_SLACK = 64.0
"""Added to the squared limit of components, more than their rounding can be."""

Mask = npt.NDArray[np.bool_]


class TrainingImages:
    """The training split, 256 bytes and 24 components an item, ready to be searched."""

    def __init__(self, dataset: Dataset, rmse: float, device: str = "cpu") -> None:
        """Raises SpecError when the data set has no training items."""
        if not dataset.counts.get("train"):
            raise SpecError(
                f"gates.memorisation.data = {dataset.uri}: has no training {dataset.title}"
            )
        self._most = CELLS**2 * rmse**2
        self._source = dataset.kind
        self._known = torch.from_numpy(_averages_of(dataset)).to(device)
        self._centre = self._known.float().mean(0)
        self._axes = self._principal_axes()
        self._parts = [self._components(part) for part in _blocks(self._known, _KNOWN_ITEMS)]

    @torch.inference_mode()
    def near(self, items: Items) -> Mask:
        """Which of (N, *shape), of the data set's modality, lie within the limit of some training
        item, bool (N,)."""
        levels = averages(items, CELLS, self._source)
        queries = torch.from_numpy(levels).to(self._known.device)
        near = torch.cat([self._near(part) for part in _blocks(queries, _QUERY_ITEMS)])
        found: Mask = near.cpu().numpy()
        return found

    def _near(self, queries: Tensor) -> Tensor:
        """uint8 (Q, 256) -> bool (Q,)."""
        found = torch.zeros(len(queries), dtype=torch.bool, device=queries.device)
        shadow = self._components(queries)
        for known, part in zip(_blocks(self._known, _KNOWN_ITEMS), self._parts, strict=True):
            possible = _squared(shadow, part) <= self._most + _SLACK
            count = int(possible.count_nonzero())
            if count > _MANY * possible.numel():
                found |= (_squared(queries.float(), known.float()) <= self._most).any(1)
            elif count:
                self._look(queries, known, possible.nonzero(), found)
        return found

    def _look(self, queries: Tensor, known: Tensor, pairs: Tensor, found: Tensor) -> None:
        """Whole distances of `pairs` (M, 2) of rows, until each query is found or none is left."""
        for part in _blocks(pairs, _PAIRS):
            row, column = part[~found[part[:, 0]]].unbind(1)
            gap = queries[row].float() - known[column].float()
            found[row[gap.square().sum(1) <= self._most]] = True

    def _components(self, levels: Tensor) -> Tensor:
        """uint8 (N, 256) -> float32 (N, 24)."""
        return (levels.float() - self._centre) @ self._axes

    def _principal_axes(self) -> Tensor:
        """(256, 24), orthonormal."""
        scatter = torch.zeros(CELLS**2, CELLS**2, device=self._known.device)
        for part in _blocks(self._known, _KNOWN_ITEMS):
            offset = part.float() - self._centre
            scatter += offset.T @ offset
        axes: Tensor = torch.linalg.eigh(scatter.double())[1]
        return axes[:, -_COMPONENTS:].float().contiguous()


def _averages_of(dataset: Dataset) -> npt.NDArray[np.uint8]:
    """uint8 (N, 256) of the training split; kept in the data set's cache."""

    def make() -> dict[str, npt.NDArray[np.uint8]]:
        batches = dataset.batches("train", _READ_ITEMS)
        parts = [averages(items, CELLS, dataset.kind) for items, _ in batches]
        return {"averages": np.concatenate(parts)}

    key = {"data": dataset.digest, "cells": CELLS}
    return cached(dataset.uri, "averages", key, make)["averages"]


def _blocks(rows: Tensor, size: int) -> list[Tensor]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _squared(left: Tensor, right: Tensor) -> Tensor:
    """Squared distances float32 (L, R) of (L, D) to (R, D); exact for whole numbers."""
    lengths = right.square().sum(1)
    table = torch.addmm(lengths, left, right.T, alpha=-2)
    return table.add_(left.square().sum(1, keepdim=True))
