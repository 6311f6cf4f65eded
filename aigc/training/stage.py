"""What changes in the course of a GAN's run: the size of its pictures and the penalties' weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from aigc.models import ModelConfig
from aigc.models.shapes import pyramid
from aigc.specs import GanModel

_PER_DOUBLING = 4
"""A gradient with respect to pixels weighs less the more pixels there are: R3GAN's gammas grow by
this factor with each doubling of height and width (Huang et al. 2024, appendix)."""


@dataclass(frozen=True)
class Stage:
    """A moment of a run, as a function of the share that is done."""

    halvings: int
    """How often the full height and width are halved."""
    gamma_factor: float
    arguments: dict[str, Any]
    """What the networks take besides latents or pictures, and labels."""

    @property
    def shrink(self) -> int:
        """Full height over the height of this stage."""
        return 1 << self.halvings

    @classmethod
    def at(cls, model: GanModel, config: ModelConfig, done: float) -> Stage:
        """The stage at `done` in 0..1 of the run."""
        halvings = sum(done < share for share in model.grow)
        factor = float(_PER_DOUBLING) ** -halvings
        if model.gamma_final is not None:
            # Geometric between 1 and gamma_final along the learning rate's cosine.
            factor *= model.gamma_final ** (0.5 * (1 - math.cos(math.pi * done)))
        arguments = {}
        if model.generator == "residual" and halvings:
            arguments["doublings"] = pyramid(config.height, config.width).doublings - halvings
        return cls(halvings, factor, arguments)
