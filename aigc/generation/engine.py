"""Model → pixels for any item indices, the same pixels whatever else is rendered beside them.

Items live on a fixed grid of micro-batches: item i is always row i % B of batch i // B, computed
whole. So a lone item costs one micro-batch, and its bytes cannot depend on its neighbours in a
request, on the shard borders or on the number of workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

from aigc.generation.conditions import labels_of
from aigc.generation.latents import latents
from aigc.modalities.image import to_pixels
from aigc.models import load_sampler
from aigc.models.config import ModelConfig
from aigc.types import Labels, UInt8Images

Device = Literal["cpu", "cuda"]
Precision = Literal["bf16", "fp32"]


@dataclass(frozen=True)
class Rendered:
    """Consecutive items: their first index, pixels (N, H, W, C) and class indices (N,)."""

    start: int
    pixels: UInt8Images
    labels: Labels | None


@dataclass(frozen=True)
class Sampling:
    """What, besides the weights, decides an item's pixels."""

    seed: int
    pattern: Labels
    truncation: float | None = None
    micro_batch: int = 128
    precision: Precision = "fp32"
    device: Device = "cpu"


class Engine:
    """A loaded model with its sampling parameters."""

    def __init__(
        self, config: ModelConfig, tensors: dict[str, torch.Tensor], sampling: Sampling
    ) -> None:
        self._config = config
        self._sampling = sampling
        sampler = load_sampler(config, tensors).eval().requires_grad_(False)
        self._sampler: nn.Module = sampler.to(sampling.device)

    def render(self, start: int, stop: int) -> Iterator[Rendered]:
        """Items start ≤ index < stop in order, a micro-batch (or its asked part) at a time."""
        size = self._sampling.micro_batch
        for batch_start in range(start - start % size, stop, size):
            first, last = max(start, batch_start), min(stop, batch_start + size)
            pixels, labels = self._micro_batch(batch_start)
            rows = slice(first - batch_start, last - batch_start)
            yield Rendered(first, pixels[rows], None if labels is None else labels[rows])

    def images(self, start: int, stop: int) -> tuple[UInt8Images, Labels | None]:
        """Items start ≤ index < stop as two arrays."""
        parts = list(self.render(start, stop))
        labels = [part.labels for part in parts if part.labels is not None]
        pixels = np.concatenate([part.pixels for part in parts])
        return pixels, np.concatenate(labels) if labels else None

    @torch.inference_mode()
    def _micro_batch(self, start: int) -> tuple[UInt8Images, Labels | None]:
        s = self._sampling
        stop = start + s.micro_batch
        labels = labels_of(s.pattern, start, stop)
        z = latents(s.seed, start, stop, self._config.latent_dim, s.truncation).to(s.device)
        condition = None if labels is None else torch.from_numpy(labels).to(s.device)
        with torch.autocast(s.device, torch.bfloat16, enabled=s.precision == "bf16"):
            output = self._sampler(z, condition)
        return to_pixels(output), labels


def best_precision(device: Device) -> Precision:
    """bf16 where the hardware multiplies it natively, else fp32."""
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32"
