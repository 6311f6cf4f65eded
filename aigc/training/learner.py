"""What the loop asks of a family of models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor, nn, optim

from aigc.data.dataset import Dataset
from aigc.specs import TrainSpec
from aigc.training.adjustments import Adjustments
from aigc.training.step_random import StepRandom
from aigc.types import Json

Batch = tuple[Tensor, Tensor, StepRandom]
"""Pictures float32 (B, C, H, W) in [-1, 1], labels int64 (B,), and where to draw from."""

Figures = Callable[[], dict[str, Tensor]]
"""Scalars of the latest step, computed when asked for: most steps are not logged."""


@dataclass(frozen=True)
class Finished:
    """What samples are made with, from the averages of a run."""

    sampler: nn.Module
    """In eval mode: float32 (B, latent_dim) standard normals, int64 (B,) labels if conditional, to
    pictures (B, C, H, W)."""
    fitted: dict[str, nn.Module] = field(default_factory=dict)
    """Modules fitted just now that are part of the result, by what their tensors' names begin
    with."""
    metrics: Json = field(default_factory=dict)


class Learner(Protocol):
    """Networks, their optimisers, and one step of both."""

    modules: dict[str, nn.Module]
    optimizers: dict[str, optim.Optimizer]
    published: dict[str, nn.Module]
    """The modules whose averages are the result: `sampler`, for a VAE also `encoder`."""
    published_raw: dict[str, nn.Module]
    """Those that are part of the result as they are at the end: a GAN's `discriminator`, which has
    judged the latest weights, not their averages."""

    def adjust(self, adjustments: Adjustments) -> None:
        """From now on the penalties have `adjustments.penalty` times their weight and the
        probability of augmentation is `adjustments.augment` higher. The loop itself takes care of
        the learning rate."""
        ...

    def step(self, batches: Sequence[Batch], step: int, done: float) -> Figures:
        """One update from the micro-batches, after `done` in 0..1 of the run; returns how to get
        what is logged of it, valid until the next step."""
        ...

    def finish(
        self, averages: dict[str, nn.Module], dataset: Dataset, *, preview: bool
    ) -> Finished:
        """The sampler of `averages` (of `published`, in eval mode) with what is fitted to the data
        after training; the same again for the same averages. Training is not touched. A `preview`
        takes seconds at most."""
        ...


def adam(
    parameters: Iterable[nn.Parameter], spec: TrainSpec, betas: tuple[float, float] | None = None
) -> optim.Optimizer:
    """Adam at `spec.lr`, which the loop changes at each step; `betas` in place of `spec.betas`."""
    return optim.Adam(parameters, lr=spec.lr, betas=betas or spec.betas, fused=True)
