"""A family of decaying tones, in tests only: sounds without a network."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from aigc.conditions import Conditions
from aigc.families import FAMILIES
from aigc.families.config import ModelConfig
from aigc.families.noise import Noise
from aigc.families.protocol import Family, InferenceConfig, ModelSpec, Tensors
from aigc.strict import Spec


class BellModel(ModelSpec):
    family: Literal["bell"] = "bell"


class Bell:
    """A tone of random pitch; the second label's is an octave and more above the first's."""

    takes = ("label",)
    size_bytes = 4

    def __init__(self, config: ModelConfig, tensors: Tensors) -> None:
        self.item, self.config = config.item, config
        self.level = tensors["level"]

    def __call__(self, noise: Noise, given: Conditions) -> Tensor:
        samples, channels = self.item.shape
        pitch = noise.uniform((channels, 1), stream=1).float() * 200 + 200
        pitch = pitch * (1 + 2 * given["label"].float())[:, None, None]
        at = torch.arange(samples) / float(self.item.rate_hz or 1)
        return torch.sin(2 * torch.pi * pitch * at) * torch.exp(-8 * at) * self.level


def load(config: ModelConfig, tensors: Tensors, inference: InferenceConfig) -> Bell:
    return Bell(config, tensors)


FAMILIES["bell"] = Family(
    spec=BellModel, title="Bell", takes=lambda config: ("label",), load=load, sampling=Spec
)


def publish(store: Any) -> Any:
    config = ModelConfig(
        modality="audio",
        architecture=BellModel(),
        samples=4000,
        rate_hz=16_000,
        channels=1,
        labels=("low", "high"),
    )
    return store.publish("bell", config, {"level": torch.tensor(0.7)})
