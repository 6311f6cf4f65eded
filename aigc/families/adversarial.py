"""Settings of a discriminator, shared by all families that have one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aigc.strict import Spec

_PENALTY_SIGMA = 0.01


class AdversarialTerms(Spec):
    """Loss and regularisation of a discriminator."""

    loss: Literal["non_saturating", "relativistic", "hinge", "wasserstein"] = "relativistic"
    """Adversarial loss. `relativistic` compares real and generated images in pairs
    (Jolicoeur-Martineau 2019); it is the default because it resists mode collapse (Huang et al.
    2024)."""
    r1_gamma: float = Field(0.3, ge=0)
    """Weight of the gradient penalty on real images; 0 turns it off."""
    r2_gamma: float = Field(0.3, ge=0)
    """Weight of the gradient penalty on generated images; 0 turns it off."""
    gamma_final: float | None = Field(None, gt=0)
    """Factor by which both weights are multiplied at the end of the run; it changes along the
    learning rate's cosine. Default: constant weights."""
    penalty: Literal["exact", "finite_difference"] = "exact"
    """How the squared gradient is computed: `exact` differentiates twice; `finite_difference` takes
    a difference along one random direction, which is faster."""
    penalty_sigma: float = Field(_PENALTY_SIGMA, gt=0, le=1)
    """Standard deviation of the random step of `finite_difference`, in pixel values of [-1, 1]."""
    penalty_every: int = Field(8, ge=1)
    """Apply the penalties once in this many steps, with the weights scaled to match (lazy
    regularisation)."""
    augment: tuple[Literal["translate", "cutout", "brightness", "delay", "level", "mute"], ...] = ()
    """DiffAugment policies (Zhao et al. 2020) applied to what the discriminator sees; for small
    data sets. The first three are for images, the others for sounds."""
    augment_probability: float = Field(1.0, ge=0, le=1)
    """Share of the images that are augmented."""

    def check_terms(self, field: str) -> None:
        """Raises ValueError if a member of `field` is set that the others leave without effect."""
        if self.penalty == "exact" and self.penalty_sigma != _PENALTY_SIGMA:
            raise ValueError(
                f"{field}.penalty_sigma {self.penalty_sigma:g} has no effect with penalty exact: "
                f"leave it out, or set {field}.penalty to finite_difference"
            )
        if not self.augment and self.augment_probability != 1:
            raise ValueError(
                f"{field}.augment_probability {self.augment_probability:g} has no effect without "
                f"{field}.augment: leave it out, or choose policies"
            )
