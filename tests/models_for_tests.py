"""Tiny models with random weights: enough to move bytes, seconds to make."""

from __future__ import annotations

from typing import Any

import torch

from aigc.families.config import ModelConfig
from aigc.families.gan import GanModel
from aigc.families.networks import build_discriminator, build_encoder, build_sampler
from aigc.families.networks.prior import MixturePrior
from aigc.families.vae import VaeModel
from aigc.specs import TrainSpec
from aigc.store import ModelStore, ModelVersion

LABELS = ("zero", "one", "two", "three")


def tiny_config(*, labels: tuple[str, ...] = LABELS, channels: int = 1) -> ModelConfig:
    architecture = GanModel(width=4, latent_dim=16, conditional=bool(labels))
    return ModelConfig(
        architecture=architecture,
        height=16,
        width=16,
        channels=channels,
        labels=labels,
    )


def tiny_tensors(config: ModelConfig, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights, large enough that different latents give different pictures."""
    generator = torch.Generator().manual_seed(seed)
    modules = {"sampler": build_sampler(config), "discriminator": build_discriminator(config)}
    for module in modules.values():
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    return {
        f"{part}.{name}": tensor.contiguous()
        for part, module in modules.items()
        for name, tensor in module.state_dict().items()
    }


def publish_tiny(
    name: str = "tiny", *, seed: int = 0, store: ModelStore | None = None, **options: object
) -> ModelVersion:
    config = tiny_config(**options)  # type: ignore[arg-type]
    return (store or ModelStore()).publish(name, config, tiny_tensors(config, seed))


def tiny_vae(labels: tuple[str, ...] = LABELS) -> tuple[ModelConfig, dict[str, torch.Tensor]]:
    """Sampler with a prior, and encoder, of random weights."""
    architecture = VaeModel(width=4, latent_dim=16, conditional=bool(labels))
    config = tiny_config(labels=labels).model_copy(update={"architecture": architecture})
    generator = torch.Generator().manual_seed(1)
    modules = {"sampler": build_sampler(config), "encoder": build_encoder(config)}
    for module in modules.values():
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    modules["sampler.prior"] = random_prior(max(1, len(labels)), 16, generator)
    return config, {
        f"{part}.{key}": tensor.contiguous()
        for part, module in modules.items()
        for key, tensor in module.state_dict().items()
    }


def publish_tiny_vae(name: str = "vae", *, store: ModelStore | None = None) -> ModelVersion:
    """It encodes and decodes, whatever it shows."""
    return (store or ModelStore()).publish(name, *tiny_vae())


def random_prior(classes: int, latent_dim: int, generator: torch.Generator) -> MixturePrior:
    """Three components a class of unequal weights, means and covariances."""
    prior = MixturePrior(classes, latent_dim, 3)
    prior.weight.copy_(torch.tensor([0.2, 0.5, 0.3]))
    prior.parts.mean.normal_(0, 2, generator=generator)
    factors = 0.3 * torch.randn(prior.parts.factor.shape, generator=generator).tril(-1)
    scales = 0.3 + torch.rand(prior.parts.mean.shape, generator=generator)
    prior.parts.factor.copy_(factors + torch.diag_embed(scales))
    return prior


def settings(spec: TrainSpec) -> Any:
    """`spec.model`, whose fields are those of its family."""
    return spec.model
