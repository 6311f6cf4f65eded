"""What the loop asks of a family of models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn, optim

from aigc.training.draws import Draws

Batch = tuple[Tensor, Tensor, Draws]
"""Pictures float32 (B, C, H, W) in [-1, 1], labels int64 (B,), and where to draw from."""


class Learner(Protocol):
    """Networks, their optimisers, and one step of both."""

    modules: dict[str, nn.Module]
    optimizers: dict[str, optim.Optimizer]
    published: dict[str, nn.Module]
    """The modules whose averages are the result: `sampler`, for a VAE also `encoder`."""
    published_raw: dict[str, nn.Module]
    """Those that are part of the result as they are at the end: a GAN's `discriminator`, which has
    judged the latest weights, not their averages."""

    def step(self, batches: Sequence[Batch], step: int, done: float) -> dict[str, Tensor]:
        """One update from the micro-batches, after `done` in 0..1 of the run; returns scalars to
        log, not yet read from the device."""
        ...
