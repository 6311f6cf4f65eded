"""What one item is in memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Items: TypeAlias = npt.NDArray[Any]
"""(N, *shape) in the dtype of the modality: uint8 (N, H, W, C), int16 (N, T, C)."""


@dataclass(frozen=True)
class ItemType:
    """One item in memory: a numpy row of `shape` and `dtype`.

    Images are uint8 (H, W, C); sounds are int16 (T, C), at `rate_hz` samples a second.
    """

    shape: tuple[int, ...]
    dtype: str
    rate_hz: int | None = None

    @property
    def values(self) -> int:
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Of one item in memory."""
        return self.values * np.dtype(self.dtype).itemsize

    def empty(self, count: int) -> Items:
        """(count, *shape), not filled in."""
        return np.empty((count, *self.shape), self.dtype)
