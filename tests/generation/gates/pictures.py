"""Samples as the engine returns them."""

from __future__ import annotations

from typing import Any

import numpy as np

from aigc.families.config import ModelConfig
from aigc.families.protocol import Generator, InferenceConfig, Tensors
from aigc.job.keys import Samples
from aigc.types import Labels, UInt8Images


def pictures(pixels: UInt8Images, labels: Labels | None = None) -> Samples:
    conditions = {} if labels is None else {"label": labels}
    return Samples(pixels, conditions, np.ones(len(pixels), bool))


def some(count: int, size: int = 16, channels: int = 1, seed: int = 0) -> Samples:
    """Random values, classes of four in turn."""
    shape = (count, size, size, channels)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return pictures(pixels, np.arange(count, dtype=np.int64) % 4)


def chosen(from_: Samples, rows: Any) -> Samples:
    conditions = {name: values[rows] for name, values in from_.conditions.items()}
    return Samples(from_.items[rows], conditions, from_.finite[rows])


def loaded(config: ModelConfig, tensors: Tensors) -> Generator:
    return config.family.load(config, tensors, InferenceConfig())
