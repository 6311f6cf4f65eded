"""Candidates: what, besides the weights, decides an item's pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aigc.types import MAX_ITEMS, Labels, UInt8Images

Ints = npt.NDArray[np.int64]

ATTEMPT = MAX_ITEMS
"""A slot's n-th draw has the random counter n * DRAW + (the slot's place in its brief): a refused
item is replaced by the next draw of its own slot, whatever happens to its neighbours."""


@dataclass(frozen=True)
class SampleKeys:
    """N candidates, in any order and from any seeds.

    `seeds` uint64 (N,), `candidates` int64 (N,) random counters, `labels` int64 (N,) class indices
    or None, `truncations` float64 (N,), infinite where latents are not cut.
    """

    seeds: npt.NDArray[np.uint64]
    candidates: Ints
    labels: Labels | None
    truncations: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.candidates)

    def __getitem__(self, rows: Any) -> SampleKeys:
        """Some of them: a slice, a mask or row numbers."""
        labels = None if self.labels is None else self.labels[rows]
        return SampleKeys(self.seeds[rows], self.candidates[rows], labels, self.truncations[rows])


@dataclass(frozen=True)
class Samples:
    """N rendered candidates: `pixels` (N, H, W, C), `labels` int64 (N,) or None, and `finite`
    bool (N,), False where the network gave something that is no number."""

    pixels: UInt8Images
    labels: Labels | None
    finite: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.pixels)
