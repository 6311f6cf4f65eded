"""Shared by the families that draw latent vectors from the standard normal distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from aigc.strict import Spec

if TYPE_CHECKING:
    from aigc.families.config import ModelConfig
    from aigc.families.networks.loaded import LatentGenerator
    from aigc.families.protocol import InferenceConfig, Tensors


FULL_SIZE_SIDE = 32
"""Up to this height and width each pixel is detail, and residual networks have blocks at full
size."""


class LatentSampling(Spec):
    truncation: float | None = Field(None, gt=0)
    """Draw latents from the normal distribution truncated at ± this value (Brock et al. 2019):
    smaller means less variety and fewer outliers. Default: no truncation."""


def label_if_conditional(config: ModelConfig) -> tuple[str, ...]:
    """`("label",)`, or `()` with `conditional: false` or without labels in the data."""
    asked = getattr(config.architecture, "conditional", False)
    return ("label",) if asked and config.labels else ()


def load_latent(
    config: ModelConfig, tensors: Tensors, inference: InferenceConfig
) -> LatentGenerator:
    """`Family.load` of these families. Imports the networks on the first call."""
    from aigc.families.networks.loaded import load_generator  # noqa: PLC0415

    return load_generator(config, tensors, inference)
