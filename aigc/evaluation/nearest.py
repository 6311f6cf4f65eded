"""The nearest training items of any number of items, exactly, in memory that they do not decide.

Items are compared as `evaluation.memorisation` does: their pictures on at most 32 x 32 cells, here
rounded to whole levels, a byte a value. Blocks of queries meet blocks of training items in one
matrix product each. The five least of a row of distances lie in those five of its groups whose
least ones are the least, so only these are sorted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from aigc.data.dataset import Dataset
from aigc.data.spool import empty_items
from aigc.errors import DataError
from aigc.evaluation.cache import cached
from aigc.evaluation.memorisation import NEIGHBOURS, Neighbours, vectors
from aigc.modalities import MODALITIES
from aigc.types import UInt8Images

GRID = 32
_READ_BYTES = 2**26
"""Of decoded items that are brought on the grid at a time."""
_QUERY_ITEMS, _BLOCK_ITEMS = 2048, 8192
_GROUP_ITEMS = 128
_MIDDLE = 128
"""Taken from levels, so that products of whole numbers stay small."""
MOST_OF_TEST = 4_000
"""Test items that stand as the baseline."""

Levels = npt.NDArray[np.uint8]
"""(N, D): the values of each item's picture, row by row."""


class TrainingIndex:
    """The training split, ready to be searched: D bytes an item.

    Above `memory_bytes` they lie in a file of the temporary folder, see `data.spool`.
    """

    def __init__(
        self,
        dataset: Dataset,
        memory_bytes: int = sys.maxsize,
        seen: Callable[[int], None] = lambda count: None,
    ) -> None:
        """Reads the split once; `seen` is told how many items each step has read.

        Raises:
            DataError: it has fewer than five training items.
        """
        self.items = dataset.counts.get("train", 0)
        if self.items < NEIGHBOURS:
            raise DataError(f"{dataset.uri}: {self.items} training items; at least {NEIGHBOURS}")
        self._learning = MODALITIES[dataset.modality].learning
        self._item = dataset.item
        self.grid = min(GRID, self._learning.representation(dataset.item).shape[1])
        self.batch_items = max(1, min(_QUERY_ITEMS, _READ_BYTES // dataset.item_bytes))
        """Items at a time that `levels` is best called with."""
        self._known = torch.from_numpy(self._read(dataset, memory_bytes, seen))

    def nearest(self, items: npt.NDArray[Any]) -> Neighbours:
        """Of stored items (N, *shape) of the data set's type."""
        return self.search(self.levels(items))

    def levels(self, items: npt.NDArray[Any]) -> Levels:
        return levels(self._learning.drawn(items, self._item), self.grid)

    @torch.inference_mode()
    def search(self, queries: Levels) -> Neighbours:
        """Of (N, D)."""
        parts = torch.split(torch.from_numpy(queries), _QUERY_ITEMS)
        found = [self._search(part) for part in parts]
        squared = torch.cat([near for near, _ in found])
        nearest = torch.cat([at[:, 0] for _, at in found])
        distances = squared.div_(self._known.shape[1]).sqrt_()
        return Neighbours(distances.numpy(), nearest.numpy())

    def _search(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Squared distances (Q, 5), ascending, and the rows (Q, 5)."""
        wide = _wide(queries)
        best = torch.full((len(wide), NEIGHBOURS), torch.inf)
        rows = torch.zeros((len(wide), NEIGHBOURS), dtype=torch.int64)
        for start in range(0, self.items, _BLOCK_ITEMS):
            block = _wide(self._known[start : start + _BLOCK_ITEMS])
            squared = torch.addmm(block.square().sum(1), wide, block.T, alpha=-2)
            near, at = _least(squared)
            best, order = torch.cat([best, near], 1).topk(NEIGHBOURS, largest=False)
            rows = torch.cat([rows, at + start], 1).gather(1, order)
        return self._exact(wide, rows)

    def _exact(self, wide: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The distances of `rows` from differences: those of equal items are 0."""
        squared = torch.stack(
            [(_wide(self._known[at]) - wide).square_().sum(1) for at in rows.unbind(1)], 1
        )
        near, order = squared.sort(dim=1, stable=True)
        return near, rows.gather(1, order)

    def _read(self, dataset: Dataset, memory_bytes: int, seen: Callable[[int], None]) -> Levels:
        """uint8 (N, D)."""
        known: Levels | None = None
        start = 0
        for batch, _ in dataset.batches("train", self.batch_items):
            part = self.levels(batch)
            if known is None:
                known = empty_items((self.items, part.shape[1]), memory_bytes)
            known[start : start + len(part)] = part
            start += len(part)
            seen(len(part))
        assert known is not None
        return known


def levels(pictures: UInt8Images, grid: int) -> Levels:
    """Pictures uint8 (N, H, W, C) on a grid, uint8 (N, grid² C)."""
    found = vectors(pictures, grid)
    scale = found.shape[1] ** 0.5
    whole: Levels = found.mul_(scale).add_(0.5).mul_(255).round_().to(torch.uint8).numpy()
    return whole


def baseline(dataset: Dataset, load: Callable[[], TrainingIndex]) -> Neighbours | None:
    """Of some test items, which nobody copied: what `aigc evaluate` compares with as well. None
    where the data set has no test items; kept in its cache, and `load` is called if it is not
    there."""
    count = min(dataset.counts.get("test", 0), MOST_OF_TEST)
    if not count:
        return None

    def make() -> dict[str, npt.NDArray[Any]]:
        found = load().nearest(dataset.read("test", count, 0)[0])
        return {"distances": found.distances, "nearest": found.nearest}

    drawn = 0 if count < dataset.counts["test"] else None
    key = {"data": dataset.digest, "count": count, "seed": drawn, "format": 1}
    known = cached(dataset.uri, "neighbours", key, make)
    return Neighbours(known["distances"], known["nearest"])


def _least(squared: Tensor) -> tuple[Tensor, Tensor]:
    """The five least of each row of (Q, B), and where they stand; of a narrow table all."""
    width = squared.shape[1]
    groups = width // _GROUP_ITEMS
    if groups <= NEIGHBOURS:
        return squared.topk(min(NEIGHBOURS, width), largest=False)
    whole = groups * _GROUP_ITEMS
    grouped = squared[:, :whole].reshape(-1, groups, _GROUP_ITEMS)
    which = grouped.amin(2).topk(NEIGHBOURS, largest=False)[1]
    chosen = grouped.gather(1, which[:, :, None].expand(-1, -1, _GROUP_ITEMS))
    near, at = torch.cat([chosen.flatten(1), squared[:, whole:]], 1).topk(NEIGHBOURS, largest=False)
    inside = at < NEIGHBOURS * _GROUP_ITEMS
    group = which.gather(1, (at // _GROUP_ITEMS).clamp_max(NEIGHBOURS - 1))
    rest = at - NEIGHBOURS * _GROUP_ITEMS + whole
    return near, torch.where(inside, group * _GROUP_ITEMS + at % _GROUP_ITEMS, rest)


def _wide(known: Tensor) -> Tensor:
    """uint8 levels as whole numbers in float32, around 0."""
    return known.float().sub_(_MIDDLE)
