"""Networks by family. A sampler is the published part, which generates content."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from aigc.errors import StoreError
from aigc.families.config import ModelConfig
from aigc.families.gan import GanModel
from aigc.families.networks.discriminator import DcganDiscriminator, ProjectionDiscriminator
from aigc.families.networks.encoder import ConvEncoder, ResidualEncoder
from aigc.families.networks.generator import ConvSampler
from aigc.families.networks.residual import ResidualDiscriminator, ResidualSampler
from aigc.families.networks.sampling import PRIOR_PREFIX, Prior, PriorSampler, load_prior
from aigc.families.networks.settings import settings_of
from aigc.families.vae import VaeModel

SAMPLERS: dict[str, Callable[[ModelConfig], nn.Module]] = {
    "dcgan": ConvSampler,
    "residual": ResidualSampler,
}

DISCRIMINATORS: dict[str, Callable[[ModelConfig], nn.Module]] = {
    "dcgan": DcganDiscriminator,
    "projection": ProjectionDiscriminator,
    "residual": ResidualDiscriminator,
}

ENCODERS: dict[str, Callable[[ModelConfig], nn.Module]] = {
    "dcgan": ConvEncoder,
    "residual": ResidualEncoder,
}

SAMPLER_PREFIX = "sampler."
ENCODER_PREFIX = "encoder."
DISCRIMINATOR_PREFIX = "discriminator."

__all__ = [
    "DISCRIMINATORS",
    "DISCRIMINATOR_PREFIX",
    "ENCODERS",
    "ENCODER_PREFIX",
    "SAMPLERS",
    "SAMPLER_PREFIX",
    "ModelConfig",
    "Prior",
    "PriorSampler",
    "build_discriminator",
    "build_encoder",
    "build_sampler",
    "load_discriminator",
    "load_encoder",
    "load_sampler",
    "parameter_count",
]


def build_sampler(config: ModelConfig) -> nn.Module:
    """A fresh sampler, of a VAE its decoder alone: forward(z float32 (B, latent_dim), label int64
    (B,) or None) gives float (B, C, H, W) in [-1, 1]. Weights are channels last, which is faster on
    CPUs and GPUs alike.

    Raises:
        SpecError: the networks cannot make this picture size.
    """
    settings = settings_of(config)
    network = settings.generator if isinstance(settings, GanModel) else settings.networks
    return SAMPLERS[network](config).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def build_discriminator(config: ModelConfig) -> nn.Module:
    """A fresh discriminator of a GAN, or of a VAE with an adversary, channels last:
    forward(pictures float (B, C, H, W) in [-1, 1], label int64 (B,) if conditional) gives logits
    float (B,), higher for real ones."""
    settings = settings_of(config)
    network = settings.discriminator if isinstance(settings, GanModel) else "residual"
    built = DISCRIMINATORS[network](config)
    return built.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def build_encoder(config: ModelConfig) -> nn.Module:
    """A fresh encoder of a VAE, channels last: forward(pictures float (B, C, H, W) in [-1, 1],
    label int64 (B,) if conditional) gives mean and log-variance, float (B, latent_dim) each."""
    assert isinstance(config.architecture, VaeModel)
    built = ENCODERS[config.architecture.networks](config)
    return built.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def load_sampler(config: ModelConfig, tensors: dict[str, Tensor]) -> nn.Module:
    """The published sampler in eval mode, from the tensors of a model folder (`sampler.*`).

    With a prior (`sampler.prior.*`) the sampler maps noise by the prior and then decodes.

    Raises:
        StoreError: a tensor is missing, left over or of another shape.
    """
    prior = load_prior(config, tensors)
    if prior is None:
        return _load(build_sampler(config), tensors, SAMPLER_PREFIX)
    plain = {name: value for name, value in tensors.items() if not name.startswith(PRIOR_PREFIX)}
    return PriorSampler(prior, _load(build_sampler(config), plain, SAMPLER_PREFIX)).eval()


def load_encoder(config: ModelConfig, tensors: dict[str, Tensor]) -> nn.Module:
    """The published encoder of a VAE in eval mode (`encoder.*`). Raises StoreError."""
    return _load(build_encoder(config), tensors, ENCODER_PREFIX)


def load_discriminator(config: ModelConfig, tensors: dict[str, Tensor]) -> nn.Module:
    """The discriminator published with a sampler, in eval mode (`discriminator.*`).

    Raises:
        StoreError: there is none, or its tensors do not fit.
    """
    return _load(build_discriminator(config), tensors, DISCRIMINATOR_PREFIX)


def parameter_count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _load(module: nn.Module, tensors: dict[str, Tensor], prefix: str) -> nn.Module:
    own = {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
    try:
        module.load_state_dict(own)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise StoreError(f"the weights do not fit config.json: {reason}") from None
    return module.eval().requires_grad_(False)
