"""A family and a condition that exist in tests only: one module, and one entry in each dict.

Workers import this module when they are sent a model of the family, and know both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from aigc import arrow
from aigc.conditions import CONDITIONS, Conditions, Facts, Schedule, Values
from aigc.errors import SpecError
from aigc.families import FAMILIES
from aigc.families.config import ModelConfig
from aigc.families.noise import Noise
from aigc.families.protocol import Family, InferenceConfig, ModelSpec, Tensors
from aigc.job.keys import Ints
from aigc.strict import Spec


class StripesModel(ModelSpec):
    family: Literal["stripes"] = "stripes"
    contrast: float = 0.5


class StripesSampling(Spec):
    tilt: float | None = None
    """Rows are shifted by so many pixels each."""


class Stripes:
    """Noise in stripes, as many as the first letter of the text says. No network."""

    takes = ("text",)
    size_bytes = 4

    def __init__(self, config: ModelConfig, tensors: Tensors) -> None:
        self.item, self.config = config.item, config
        self.contrast = tensors["contrast"]

    def __call__(self, noise: Noise, given: Conditions) -> Tensor:
        height, width, channels = self.item.shape
        base = noise.uniform((channels, height, width), stream=1).float() * 2 - 1
        bands = given["text"][:, :1].float()
        at = torch.arange(width).expand(len(bands), height, width).float()
        if "tilt" in given:
            tilt = torch.nan_to_num(given["tilt"]).float()
            at = at + tilt[:, None, None] * torch.arange(height)[:, None]
        waves = torch.sin(at * bands[:, :, None] / 4)[:, None]
        return (base * self.contrast + waves).clamp(-1, 1)


def load(config: ModelConfig, tensors: Tensors, inference: InferenceConfig) -> Stripes:
    return Stripes(config, tensors)


STRIPES = Family(
    spec=StripesModel,
    title="Stripes",
    takes=lambda config: ("text",),
    load=load,
    sampling=StripesSampling,
)


class Text:
    """Values are texts; the generator gets their first eight characters."""

    title = "texts"

    def schedule(self, asked: str | Sequence[str] | None, model: Facts) -> Schedule:
        texts = ["plain"] if asked is None else [asked] if isinstance(asked, str) else [*asked]
        if not texts or not all(isinstance(text, str) and text for text in texts):
            raise SpecError(f"text: expected texts, got {asked!r}")
        return Schedule(pattern=tuple(texts))

    def prompted(self, prompt: str, model: Facts) -> Schedule:
        return self.schedule(prompt, model)

    def value(self, text: str, model: Facts) -> str:
        return text

    def shown(self, values: Values, model: Facts) -> list[str]:
        return [str(text) for text in values.tolist()]

    def tensor(self, values: Values) -> Tensor:
        rows = [[ord(letter) % 13 + 1 for letter in f"{text:8.8}"] for text in values.tolist()]
        return torch.tensor(rows)

    def marks(self, values: Values) -> list[str]:
        return [hashlib.sha256(text.encode()).hexdigest()[:8] for text in values.tolist()]

    def codes(self, values: Values) -> Ints:
        return np.array([int(mark, 16) for mark in self.marks(values)], dtype=np.int64)

    def fields(self, schedule: Schedule | None) -> Sequence[tuple[pa.Field, Any]]:
        return [] if schedule is None else [(pa.field("text", pa.string()), None)]

    def arrays(self, values: Values | None, schedule: Schedule | None, rows: int) -> list[pa.Array]:
        if values is None or schedule is None:
            return []
        return [arrow.texts([str(text) for text in values.tolist()])]


FAMILIES["stripes"] = STRIPES
CONDITIONS["text"] = Text()


def publish(store: Any) -> Any:
    config = ModelConfig(architecture=StripesModel(), height=16, width=16, channels=1)
    return store.publish("stripes", config, {"contrast": torch.tensor(0.5)})
