"""Variational autoencoders, with or without a discriminator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from aigc.families.adversarial import AdversarialTerms
from aigc.families.latent import LatentSampling, label_if_conditional
from aigc.families.protocol import Decodes, Encodes, Family, InferenceConfig, ModelSpec, Tensors

if TYPE_CHECKING:
    from aigc.families.config import ModelConfig
    from aigc.families.networks.loaded import LatentGenerator


class Adversary(AdversarialTerms):
    """A discriminator that joins a VAE in the later part of its training (VAE/GAN, Larsen et al.
    2016): it sharpens the pictures, and its features say how alike two pictures are.

    It has the form of the residual discriminator at the model's width.
    """

    start: float = Field(0.5, ge=0, lt=1)
    """Share of the run after which it joins."""
    weight: float = Field(0.3, gt=0)
    """Of the adversarial loss in that of the decoder."""
    feature_weight: float = Field(1.0, ge=0)
    """Of the distance between the discriminator's features of a picture and of its
    reconstruction, relative to the size of the features."""
    reconstruction_weight: float = Field(3.0, gt=0)
    """Of the VAE's own loss, in units of the mean error of pixels in [-1, 1]."""


class VaeModel(ModelSpec):
    """Encoder and decoder, trained together on the ELBO (Kingma & Welling 2014)."""

    family: Literal["vae"] = "vae"
    networks: Literal["dcgan", "residual"] = "dcgan"
    """`dcgan` has strided and transposed convolutions with BatchNorm; `residual` has residual
    blocks without normalisation and filtered resampling, as a GAN's `residual` networks have."""
    latent_dim: int = Field(64, ge=1, le=4096)
    width: int = Field(64, ge=4, le=1024)
    blocks: int = Field(1, ge=1, le=16)
    """Residual blocks at each level of the `residual` networks."""
    conditional: bool = True
    beta: float = Field(1.0, ge=0)
    likelihood: Literal["gaussian", "bernoulli", "laplace", "logistic", "pyramid"] = "gaussian"
    """`pyramid` is the Laplace likelihood averaged over the picture at full, half and quarter
    size, which weighs outlines and colours against fine detail."""
    variance: Annotated[float, Field(gt=0)] | Literal["best"] = "best"
    """Variance σ² (Gaussian) or scale (Laplace, logistic) of the likelihood, pixels in [-1, 1];
    `best` is the one under which each batch is likeliest (Rybkin et al. 2021), so that neither it
    nor `beta` has to be tuned to the pictures."""
    free_bits: float = Field(0.0, ge=0)
    """Nats of each latent dimension that cost nothing (Kingma et al. 2016)."""
    kl_warmup_images: int = Field(0, ge=0)
    """Images over which the KL term's weight rises from 0 to `beta`; counted in images because a
    run's limits may be raised later."""
    prior: Literal["standard", "mixture", "neighbours"] = "mixture"
    """What samples are drawn from: N(0, 1); a mixture of Gaussians a class that is fitted to the
    encodings of the training pictures after training (Ghosh et al. 2020); or points between the
    encodings of two alike pictures of a class. With `neighbours` the model holds encodings of up to
    20,000 training pictures, of which it can make pictures much like them."""
    adversary: Adversary | None = None
    """Only with `networks: residual`, `variance: best` and `likelihood: pyramid` or `laplace`."""

    def check(self, *, complete: bool) -> None:
        if not complete and "networks" not in self.model_fields_set:
            return
        absolute = self.likelihood in ("pyramid", "laplace") and self.variance == "best"
        if self.adversary and not (self.networks == "residual" and absolute):
            raise ValueError(
                "model.adversary needs networks residual, likelihood pyramid or laplace, and "
                "variance best: choose these, or set model.adversary to null"
            )
        if self.prior == "neighbours" and self.latent_dim < 2:
            raise ValueError("model.prior neighbours needs a latent_dim of at least 2")
        if self.networks == "residual" and self.likelihood == "bernoulli":
            raise ValueError(
                "model.likelihood bernoulli needs outputs in [-1, 1], which networks residual do "
                "not keep in training: use likelihood pyramid, laplace or gaussian, or networks "
                "dcgan"
            )


def load(config: ModelConfig, tensors: Tensors, inference: InferenceConfig) -> LatentGenerator:
    from aigc.families.networks.loaded import load_generator  # noqa: PLC0415

    return load_generator(config, tensors, inference)


VAE = Family(
    spec=VaeModel,
    title="Variational autoencoder",
    takes=label_if_conditional,
    load=load,
    sampling=LatentSampling,
    able=lambda config: (Decodes, Encodes),
    learner="aigc.training.vae:VaeLearner",
    recipes=("adaptive-vae", "vae"),
)
