"""Pictures as the engine hands them over."""

from __future__ import annotations

from typing import Any

import numpy as np

from aigc.job.keys import Samples
from aigc.types import Labels, UInt8Images


def pictures(pixels: UInt8Images, labels: Labels | None = None) -> Samples:
    return Samples(pixels, labels, np.ones(len(pixels), bool))


def some(count: int, size: int = 16, channels: int = 1, seed: int = 0) -> Samples:
    """Random values, classes of four in turn."""
    shape = (count, size, size, channels)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return pictures(pixels, np.arange(count, dtype=np.int64) % 4)


def chosen(from_: Samples, rows: Any) -> Samples:
    labels = None if from_.labels is None else from_.labels[rows]
    return Samples(from_.pixels[rows], labels, from_.finite[rows])
