"""What every server beside ours does for a request: the published network, Pillow, base64."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from pydantic import BaseModel

from aigc.families.networks import load_sampler
from aigc.families.networks.inference import for_inference
from aigc.families.networks.settings import settings_of
from aigc.store import ModelStore
from aigc.types import Json

PATH = "/v1/images/generations"


class RivalRequest(BaseModel):
    """The part of OpenAI's request that they need."""

    prompt: str = ""
    n: int = 1


class RivalImages:
    """`fast` is our network for inference (bf16, folded); else the published one as it is."""

    def __init__(self, model: str, *, fast: bool = False, threads: int = 1) -> None:
        torch.set_num_threads(threads)
        store = ModelStore()
        version = store.resolve(model)
        self.config = version.config
        self.sampler = load_sampler(version.config, store.load(version))
        if fast:
            self.sampler = for_inference(self.sampler, torch.bfloat16)

    def __call__(self, asked: RivalRequest) -> Json:
        return self.all([asked])[0]

    def all(self, asked: Sequence[RivalRequest]) -> list[Json]:
        """The answers to several requests, from one forward pass."""
        labels = [self._label(each.prompt) for each in asked for _ in range(each.n)]
        files = iter([_png(image) for image in self._pixels(labels)])
        return [
            {"data": [{"b64_json": base64.b64encode(next(files)).decode()} for _ in range(each.n)]}
            for each in asked
        ]

    def _label(self, prompt: str) -> int:
        return self.config.labels.index(prompt) if self.config.conditional else 0

    def _pixels(self, labels: list[int]) -> np.ndarray[Any, Any]:
        z = torch.randn(len(labels), settings_of(self.config).latent_dim)
        with torch.inference_mode():
            output = self.sampler(z, torch.tensor(labels) if self.config.conditional else None)
        pixels = ((output + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        images: np.ndarray[Any, Any] = pixels.permute(0, 2, 3, 1).numpy()
        return images


def _png(image: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, "PNG")
    return buffer.getvalue()
