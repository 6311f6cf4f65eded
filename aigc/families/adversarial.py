"""How a discriminator is trained, in whichever family has one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aigc.strict import Spec


class AdversarialTerms(Spec):
    """How a discriminator judges and is kept smooth."""

    loss: Literal["non_saturating", "relativistic", "hinge", "wasserstein"] = "relativistic"
    r1_gamma: float = Field(0.3, ge=0)
    r2_gamma: float = Field(0.3, ge=0)
    gamma_final: float | None = Field(None, gt=0)
    """Factor that both gammas reach at the end of the run, along the learning rate's cosine."""
    penalty: Literal["exact", "finite_difference"] = "exact"
    """How the squared gradient is had: by differentiating twice, or from a difference along one
    random direction."""
    penalty_sigma: float = Field(0.01, gt=0, le=1)
    """Length of that difference's step, a standard deviation of pixels in [-1, 1]."""
    penalty_every: int = Field(8, ge=1)
    """Lazy regularisation: the penalties are applied once in this many steps, scaled to match."""
    augment: tuple[Literal["translate", "cutout", "brightness", "delay", "level", "mute"], ...] = ()
    """DiffAugment policies (Zhao et al. 2020) for small data sets: the first three for images, the
    others for sounds."""
    augment_probability: float = Field(1.0, ge=0, le=1)
    """Share of the pictures that are augmented."""
