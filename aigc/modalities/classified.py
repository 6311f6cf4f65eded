"""How items are shown to a classifier: the part of a modality that content checks ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from aigc.modalities.item import Items

RANGES: dict[str, tuple[float, float]] = {
    "0..1": (0.0, 1.0),
    "-1..1": (-1.0, 1.0),
    "0..255": (0.0, 255.0),
}
"""Black and white."""


@dataclass(frozen=True)
class ClassifierInput:
    """What a classifier of images takes: one image, `channels` in `order`, values as
    (range - mean) / std, in `dtype`."""

    layout: Literal["NCHW", "NHWC"]
    height: int
    width: int
    channels: int = 3
    dtype: str = "float32"
    range: str = "0..255"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    order: Literal["rgb", "bgr"] = "rgb"
    border: int = 0
    """Pixels cut off on each side after scaling to that much more."""
    jpeg: bool = False
    """Whether the scaled image goes through a JPEG file."""


class Classified(Protocol):
    """Items of a modality as a classifier takes them."""

    def layouts(self, shape: Sequence[Any]) -> tuple[str, ...]:
        """Which layouts an input of `shape` (rows first; numbers, names or None) may have; empty
        where it is no batch of such items."""
        ...

    def probes(self, count: int) -> Sequence[Items]:
        """Items to try a classifier with, the same every time."""
        ...

    def feed(self, item: Items, wanted: ClassifierInput) -> npt.NDArray[np.generic]:
        """One item (*shape) as a batch of one row. The same item gives the same values."""
        ...
