"""Random numbers of training, a function of (seed, step, purpose, row of the global batch).

A resume repeats them, and a picture gets the same ones however many workers and micro-batches the
global batch is divided among.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aigc.objectives.augment import Uniform


@dataclass(frozen=True)
class StepRandom:
    """Where the random numbers of one micro-batch come from.

    Each purpose and call has a stretch of 2^128 numbers of one Philox4x64 sequence, whose key is
    (seed, step): setting it up takes half the time of a seeded PCG64. The values of all rows up to
    the last one asked for are drawn and those before `first_row` are dropped: a worker draws at
    most what the whole global batch needs.
    """

    seed: int
    step: int
    first_row: int = 0
    """The micro-batch's first row in the global batch."""
    device: str = "cpu"

    def normal(self, purpose: str, count: int, width: int) -> Tensor:
        """float32 (count, width) from N(0, 1)."""
        rows = self.first_row + count
        values = self._generator(purpose).standard_normal((rows, width), dtype=np.float32)
        return torch.from_numpy(values[self.first_row :]).to(self.device)

    def uniforms(self, purpose: str, count: int) -> Uniform:
        """A source of float32 (count,) tensors in [0, 1), each call the next."""
        rows, calls = self.first_row + count, itertools.count()

        def draw() -> Tensor:
            values = self._generator(purpose, next(calls)).random(rows, dtype=np.float32)
            return torch.from_numpy(values[self.first_row :]).to(self.device)

        return draw

    def _generator(self, purpose: str, call: int = 0) -> np.random.Generator:
        tag = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:4], "little")
        key = np.array([self.seed, self.step], np.uint64)
        counter = np.array([0, 0, tag, call], np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=counter))
