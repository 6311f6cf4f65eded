"""What the loop asks of a family of models."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor, nn, optim

from aigc.data.dataset import Dataset
from aigc.errors import SpecError, listed
from aigc.families import FAMILIES
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
    """The modules whose averages are the result: `sampler`, and an `encoder` if there is one."""
    published_raw: dict[str, nn.Module]
    """Those that are part of the result as they are at the end: a `discriminator`, which has
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


def learner_of(spec: TrainSpec) -> Callable[..., Learner]:
    """What makes the learner of the model's family, of (spec, config, device, group).

    Raises:
        SpecError: models of this family are not trained here.
    """
    family = FAMILIES[spec.model.family]
    if family.learner is None:
        trained = [name for name, other in FAMILIES.items() if other.learner is not None]
        raise SpecError(
            f"model.family = {spec.model.family}: its models are not trained by aigc; "
            f"set one of {listed(trained)}"
        )
    module, _, name = family.learner.partition(":")
    made: Callable[..., Learner] = getattr(importlib.import_module(module), name)
    return made


def adam(
    parameters: Iterable[nn.Parameter], spec: TrainSpec, betas: tuple[float, float] | None = None
) -> optim.Optimizer:
    """Adam at `spec.lr`, which the loop changes at each step; `betas` in place of `spec.betas`."""
    return optim.Adam(parameters, lr=spec.lr, betas=betas or spec.betas, fused=True)
