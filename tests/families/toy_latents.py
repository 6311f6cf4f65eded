"""Families that take the toy's text, in tests only: one with latents, one with labels as well."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from aigc.conditions import Conditions
from aigc.families import FAMILIES
from aigc.families.config import ModelConfig
from aigc.families.noise import Noise
from aigc.families.protocol import Decodes, Family, InferenceConfig, ModelSpec, Points, Tensors
from aigc.strict import Spec
from tests.families import toy  # noqa: F401, registers the condition

LABELS = ("dark", "light")


class WavesModel(ModelSpec):
    family: Literal["waves"] = "waves"
    latent_dim: int = 4


class DuoModel(ModelSpec):
    family: Literal["duo"] = "duo"


class Waves:
    """Four waves, as high as the latents say and as long as the letters of the text."""

    takes = ("text",)
    size_bytes = 4
    latent_dim = 4

    def __init__(self, config: ModelConfig, tensors: Tensors) -> None:
        self.item, self.config = config.item, config

    def __call__(self, noise: Noise, given: Conditions) -> Tensor:
        return self.decode(self.latents(noise, given))

    def latents(self, noise: Noise, given: Conditions) -> Points:
        return Points(noise.normal((self.latent_dim,)), given["text"].float())

    def decode(self, points: Points) -> Tensor:
        height, width, channels = self.item.shape
        assert points.context is not None
        lengths = points.context[:, : self.latent_dim, None] / 4
        waves = torch.sin(torch.arange(width) * lengths) * points.vectors[:, :, None]
        rows = waves.sum(1)[:, None, None] / self.latent_dim
        return rows.expand(-1, channels, height, width).clamp(-1, 1)

    def between(self, points: Points) -> Points:
        return points.to("cpu")


class Duo:
    """Noise, lighter for the second label, in stripes as the text says."""

    takes = ("label", "text")
    size_bytes = 4

    def __init__(self, config: ModelConfig, tensors: Tensors) -> None:
        self.item, self.config = config.item, config

    def __call__(self, noise: Noise, given: Conditions) -> Tensor:
        height, width, channels = self.item.shape
        base = noise.uniform((channels, height, width)).float() - 0.5
        stripes = torch.sin(torch.arange(width) * given["text"][:, :1].float() / 4) / 4
        lighter = given["label"].float()[:, None, None, None] / 4
        return base + stripes[:, None, None] + lighter


def load_waves(config: ModelConfig, tensors: Tensors, inference: InferenceConfig) -> Waves:
    return Waves(config, tensors)


def load_duo(config: ModelConfig, tensors: Tensors, inference: InferenceConfig) -> Duo:
    return Duo(config, tensors)


FAMILIES["waves"] = Family(
    spec=WavesModel,
    title="Waves",
    takes=lambda config: ("text",),
    load=load_waves,
    sampling=Spec,
    able=lambda config: (Decodes,),
)
FAMILIES["duo"] = Family(
    spec=DuoModel,
    title="Duo",
    takes=lambda config: ("label", "text"),
    load=load_duo,
    sampling=Spec,
)


def publish(store: Any) -> dict[str, Any]:
    """Both, by name."""
    size = {"height": 16, "width": 16, "channels": 1}
    weights = {"unused": torch.zeros(1)}
    waves = ModelConfig(architecture=WavesModel(), **size)
    duo = ModelConfig(architecture=DuoModel(), labels=LABELS, **size)
    return {
        "waves": store.publish("waves", waves, weights),
        "duo": store.publish("duo", duo, weights),
    }
