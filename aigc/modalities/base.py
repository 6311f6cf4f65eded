"""What a kind of content is: the parts that every other room asks of it.

A modality is one entry of `MODALITIES`. Its parts are plain objects without state; they load what
is heavy (torch, decoders) when it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from aigc.modalities.learning import Learning


@dataclass(frozen=True)
class ItemType:
    """One item in memory: a numpy row of `shape` and `dtype`.

    Images are uint8 (H, W, C); sounds are int16 (T, C), at `rate_hz` samples a second.
    """

    shape: tuple[int, ...]
    dtype: str
    rate_hz: int | None = None

    @property
    def size_bytes(self) -> int:
        """Of one item in memory."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize

    def empty(self, count: int) -> npt.NDArray[np.generic]:
        """(count, *shape), not filled in."""
        return np.empty((count, *self.shape), self.dtype)


class Delivery(Protocol):
    """How finished items become files, and are looked at."""


class Source(Protocol):
    """How raw files become the items of a data set."""


@dataclass(frozen=True)
class Modality:
    """A kind of content."""

    title: str
    """Several of its items, in a sentence: `images`."""
    delivery: Delivery
    source: Source
    learning: Learning
