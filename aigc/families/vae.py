"""Variational autoencoders, with or without a discriminator."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from aigc.families.adversarial import AdversarialTerms
from aigc.families.latent import LatentSampling, label_if_conditional, load_latent
from aigc.families.protocol import Decodes, Encodes, Family, ModelSpec


class Adversary(AdversarialTerms):
    """A discriminator that joins a VAE in the later part of its training (VAE/GAN, Larsen et al.
    2016). It sharpens the images, and its features measure the distance between two images.

    Its architecture is the residual discriminator at the model's width.
    """

    start: float = Field(0.5, ge=0, lt=1)
    """Share of the run after which the discriminator joins."""
    ramp: float = Field(0.1, ge=0, lt=1)
    """Share of the run over which the weight of the adversarial loss then rises from 0 to `weight`,
    so that a discriminator that knows nothing yet decides nothing."""
    weight: float = Field(0.1, gt=0)
    """Weight of the adversarial loss in the decoder's loss."""
    feature_weight: float = Field(1.0, ge=0)
    """Weight of the distance between the discriminator's features of an image and of its
    reconstruction, relative to the size of the features."""
    reconstruction_weight: float = Field(3.0, gt=0)
    """Weight of the VAE's own loss, in units of the mean pixel error in [-1, 1]."""


class VaeModel(ModelSpec):
    """An encoder and a decoder, trained together on the ELBO (Kingma & Welling 2014)."""

    family: Literal["vae"] = "vae"
    """Selects this family."""
    networks: Literal["dcgan", "residual"] = "dcgan"
    """`dcgan`: strided and transposed convolutions with BatchNorm. `residual`: residual blocks
    without normalisation and filtered resampling, as in the GAN's `residual` networks."""
    latent_dim: int = Field(64, ge=1, le=4096)
    """Number of latent dimensions, 1..4096."""
    width: int = Field(64, ge=4, le=1024)
    """Channels of the finest hidden layer. Each coarser layer doubles them."""
    blocks: int = Field(1, ge=1, le=16)
    """Residual blocks per resolution of the `residual` networks."""
    conditional: bool = True
    """Condition the networks on the label, if the data set has labels."""
    beta: float = Field(1.0, ge=0)
    """Weight of the KL term; 1 is the ELBO."""
    likelihood: Literal["gaussian", "bernoulli", "laplace", "logistic", "pyramid"] = "gaussian"
    """Distribution of pixels around the reconstruction. `pyramid` averages the Laplace likelihood
    over the image at full, half and quarter size, which weighs outlines and colours against fine
    detail."""
    variance: Annotated[float, Field(gt=0)] | Literal["best"] = "best"
    """Variance (Gaussian) or scale (Laplace, logistic) of the likelihood, for pixels in [-1, 1].
    `best` is the maximum-likelihood value of each batch (Rybkin et al. 2021), so that neither this
    nor `beta` needs tuning."""
    free_bits: float = Field(0.0, ge=0)
    """Nats per latent dimension that the KL term does not penalise (Kingma et al. 2016)."""
    kl_warmup_images: int = Field(0, ge=0)
    """Training images over which the weight of the KL term rises from 0 to `beta`. It is counted in
    images so that it does not depend on `steps`, which may be raised later."""
    prior: Literal["standard", "mixture", "neighbours"] = "mixture"
    """Distribution from which latents are drawn. `standard`: N(0, 1). `mixture`: a Gaussian mixture
    per class, fitted to the encodings of training images after training (Ghosh et al. 2020).
    `neighbours`: points between the encodings of two similar images of a class. With `neighbours`
    the model contains encodings of up to 20,000 training images and can generate images close to
    them."""
    adversary: Adversary | None = None
    """A discriminator for the later part of training. Needs `networks: residual`, `variance: best`
    and `likelihood: pyramid` or `laplace`. Default: none."""

    def check(self, *, complete: bool) -> None:
        if not complete and "networks" not in self.model_fields_set:
            return
        absolute = self.likelihood in ("pyramid", "laplace") and self.variance == "best"
        if self.adversary and not (self.networks == "residual" and absolute):
            raise ValueError(
                "model.adversary needs networks residual, likelihood pyramid or laplace, and "
                "variance best: choose these, or set model.adversary to null"
            )
        if self.adversary:
            self.adversary.check_terms("model.adversary")
        if self.blocks != 1 and self.networks != "residual":
            raise ValueError(
                f"model.blocks {self.blocks} has no effect on networks {self.networks}: leave it "
                "out, or set model.networks to residual"
            )
        if self.variance != "best" and self.likelihood == "bernoulli":
            raise ValueError(
                f"model.variance {self.variance:g} has no effect with likelihood bernoulli: leave "
                "it out, or choose another model.likelihood"
            )
        if self.prior == "neighbours" and self.latent_dim < 2:
            raise ValueError("model.prior neighbours needs a latent_dim of at least 2")
        if self.networks == "residual" and self.likelihood == "bernoulli":
            raise ValueError(
                "model.likelihood bernoulli needs outputs in [-1, 1], which networks residual do "
                "not keep in training: use likelihood pyramid, laplace or gaussian, or networks "
                "dcgan"
            )


VAE = Family(
    spec=VaeModel,
    title="Variational autoencoder",
    takes=label_if_conditional,
    load=load_latent,
    sampling=LatentSampling,
    able=lambda config: (Decodes, Encodes),
    learner="aigc.training.vae:VaeLearner",
    recipes=("adaptive-vae", "vae"),
)
