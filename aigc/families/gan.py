"""Generative adversarial networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from aigc.families.adversarial import AdversarialTerms
from aigc.families.latent import LatentSampling, label_if_conditional, load_latent
from aigc.families.protocol import Decodes, Family, ModelSpec

if TYPE_CHECKING:
    pass


class GanModel(AdversarialTerms, ModelSpec):
    """A generator and a discriminator, trained in turn."""

    family: Literal["gan"] = "gan"
    """Selects this family."""
    generator: Literal["dcgan", "residual"] = "dcgan"
    """`dcgan`: transposed convolutions and BatchNorm. `residual`: residual blocks without
    normalisation and filtered resampling (Huang et al. 2024), for images above 32 pixels."""
    discriminator: Literal["dcgan", "projection", "residual"] = "projection"
    """`dcgan`: BatchNorm, as in Radford et al. 2016. `projection`: no normalisation, conditioned by
    an inner product (Miyato & Koyama 2018). `residual`: the counterpart of the residual generator,
    conditioned the same way."""
    latent_dim: int = Field(128, ge=1, le=4096)
    """Number of latent dimensions, 1..4096."""
    width: int = Field(64, ge=4, le=1024)
    """Channels of the finest hidden layer. Each coarser layer doubles them, up to 8 times
    (`residual`: 4 times)."""
    blocks: int = Field(1, ge=1, le=16)
    """Residual blocks per resolution of the `residual` networks."""
    conditional: bool = True
    """Condition the networks on the label, if the data set has labels."""
    spectral_norm: bool = False
    """Apply spectral normalisation to the `projection` discriminator (Miyato et al. 2018)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.discriminator == "dcgan" and (self.r1_gamma or self.r2_gamma):
            raise ValueError(
                "discriminator dcgan has BatchNorm, which mixes a batch's pictures, so gradient "
                "penalties do not apply: set r1_gamma and r2_gamma to 0 or use projection"
            )
        return self

    def check(self, *, complete: bool) -> None:
        if not complete and "generator" not in self.model_fields_set:
            return
        self.check_terms("model")
        if self.blocks != 1 and "residual" not in (self.generator, self.discriminator):
            raise ValueError(
                f"model.blocks {self.blocks} has no effect without residual networks: leave it "
                "out, or set model.generator or model.discriminator to residual"
            )
        if self.spectral_norm and self.discriminator != "projection":
            raise ValueError(
                f"model.spectral_norm has no effect on the discriminator {self.discriminator}: "
                "leave it out, or set model.discriminator to projection"
            )


GAN = Family(
    spec=GanModel,
    title="Generative adversarial network",
    takes=label_if_conditional,
    load=load_latent,
    sampling=LatentSampling,
    able=lambda config: (Decodes,),
    learner="aigc.training.gan:GanLearner",
    recipes=("adaptive-gan", "relativistic", "dcgan", "smoke"),
)
