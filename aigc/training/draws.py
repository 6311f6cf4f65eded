"""Random numbers of training, a function of (seed, step, rank, purpose): a resume repeats them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aigc.objectives.augment import Uniform


@dataclass(frozen=True)
class Draws:
    """Where the random numbers of one micro-batch come from."""

    seed: int
    step: int
    rank: int = 0
    micro: int = 0
    device: str = "cpu"

    def normal(self, purpose: str, count: int, width: int) -> Tensor:
        """float32 (count, width) from N(0, 1)."""
        values = self._generator(purpose).standard_normal((count, width), dtype=np.float32)
        return torch.from_numpy(values).to(self.device)

    def uniforms(self, purpose: str, count: int) -> Uniform:
        """A source of float32 (count,) tensors in [0, 1), each call the next."""
        generator = self._generator(purpose)

        def draw() -> Tensor:
            return torch.from_numpy(generator.random(count, dtype=np.float32)).to(self.device)

        return draw

    def _generator(self, purpose: str) -> np.random.Generator:
        tag = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:4], "little")
        return np.random.default_rng([self.seed, self.step, self.rank, self.micro, tag])
