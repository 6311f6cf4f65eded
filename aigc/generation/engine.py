"""Model → pixels for any candidates, the same pixels whatever else is rendered beside them.

Every forward pass has the same number of rows, the micro-batch; what is missing is filled up. With
the shape fixed, a row's result depends neither on its place nor on its neighbours (each is summed
in the same order), so candidates are packed as they come: a shard's, a request's, or one alone.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from aigc.generation.latents import latents
from aigc.job.keys import SampleKeys, Samples
from aigc.modalities.image import to_levels
from aigc.models import load_sampler
from aigc.models.config import ModelConfig
from aigc.models.inference import for_inference
from aigc.models.prior import blended
from aigc.models.sampling import PriorInference
from aigc.types import Labels

Device = Literal["cpu", "cuda"]
Precision = Literal["bf16", "fp32"]

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


@dataclass(frozen=True)
class InferenceConfig:
    """How forward passes are made; each field is part of an item's identity."""

    micro_batch: int = 128
    precision: Precision = "fp32"
    device: Device = "cpu"


class Engine:
    """A loaded model that renders candidates."""

    def __init__(
        self, config: ModelConfig, tensors: dict[str, Tensor], passes: InferenceConfig
    ) -> None:
        self._dim, self.passes = config.latent_dim, passes
        self.shape = (config.height, config.width, config.channels)
        """Of one picture as the model makes it."""
        sampler = load_sampler(config, tensors)
        self._sampler = for_inference(sampler, DTYPES[passes.precision], passes.device)

    @property
    def size_bytes(self) -> int:
        """Of the weights, in the forms in which they are multiplied."""
        held = [*self._sampler.parameters(), *self._sampler.buffers()]
        return sum(tensor.nbytes for tensor in held)

    def narrower(self, micro_batch: int) -> Engine:
        """The same weights in passes of fewer rows. Its pixels may differ by rounding."""
        other = copy.copy(self)
        other.passes = dataclasses.replace(self.passes, micro_batch=micro_batch)
        return other

    def latents(self, draws: SampleKeys) -> Tensor:
        """float32 (N, latent_dim) on the CPU."""
        return latents(draws, self._dim)

    @torch.inference_mode()
    def render(self, draws: SampleKeys) -> Samples:
        """Any number of candidates, a micro-batch at a time.

        On a GPU every pass is queued before the first result is waited for.
        """
        label = None if draws.labels is None else torch.from_numpy(draws.labels)
        parts = [levels(output) for output in self._passes(self.latents(draws), label)]
        pixels, finite = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
        return Samples(pixels, draws.labels, finite)

    @torch.inference_mode()
    def outputs(self, z: Tensor, label: Tensor | None) -> Tensor:
        """float32 (N, C, H, W) in [-1, 1] for latents (N, latent_dim), N > 0, on the CPU.

        `label` is int64 (N,), or float (N, E): of `points`, or mixtures of those.
        """
        return torch.cat([output.cpu() for output in self._passes(z, label)])

    @torch.inference_mode()
    def points(self, z: Tensor, labels: Labels | None) -> tuple[Tensor, Tensor | None]:
        """Latents (N, latent_dim) and classes as `outputs` takes them, both float, on the CPU: what
        may be mixed on the way from one item to another. The classes are None for a model without
        any and without a fitted prior."""
        if isinstance(self._sampler, PriorInference):
            return _on_cpu(*self._sampler.points(*self._placed(z, labels)))
        return self._plain(z, labels)

    @torch.inference_mode()
    def locate(self, encoded: Tensor, labels: Labels | None) -> tuple[Tensor, Tensor | None]:
        """The points, as of `points`, which the decoder sees as `encoded` (N, latent_dim), what an
        encoder gives."""
        if isinstance(self._sampler, PriorInference):
            return _on_cpu(*self._sampler.locate(*self._placed(encoded, labels)))
        return self._plain(encoded, labels)

    @torch.inference_mode()
    def turned(
        self, encoded: Tensor, labels: Labels | None, becomes: Labels | None
    ) -> tuple[Tensor, Tensor | None]:
        """The points, as of `points`, of the classes `becomes` that are most like `encoded` (N,
        latent_dim), what an encoder gives of pictures of the classes `labels`."""
        if isinstance(self._sampler, PriorInference):
            latents, label = self._placed(encoded, labels)
            other = None if becomes is None else torch.from_numpy(becomes).to(latents.device)
            return _on_cpu(*self._sampler.turned(latents, label, other))
        return self._plain(encoded, becomes)

    @torch.inference_mode()
    def near(self, mean: Tensor, noise: Tensor, labels: Labels | None, strength: float) -> Tensor:
        """Latents `strength` in 0..1 away from `mean`, (1 or N, latent_dim), as `points` and
        `locate` give them, in the directions of `noise`, as `latents` gives it (N, latent_dim)."""
        if isinstance(self._sampler, PriorInference):
            known = None if labels is None else labels.repeat(len(noise))
            placed, label = self._placed(noise, known)
            return self._sampler.prior.near(mean.to(placed.device), placed, label, strength).cpu()
        return blended(mean, noise, strength)

    def _plain(self, z: Tensor, labels: Labels | None) -> tuple[Tensor, Tensor | None]:
        z, label = self._placed(z, labels)
        if label is None:
            return z.cpu(), None
        known: Tensor = self._sampler.embeddings(label)  # type: ignore[operator]
        return _on_cpu(z, known.float())

    def _placed(self, z: Tensor, labels: Labels | None) -> tuple[Tensor, Tensor | None]:
        device = self.passes.device
        return z.to(device), None if labels is None else torch.from_numpy(labels).to(device)

    def _passes(self, z: Tensor, label: Tensor | None) -> Iterator[Tensor]:
        """The sampler's outputs, on the device, of one micro-batch after the other."""
        size, device = self.passes.micro_batch, self.passes.device
        z = z.to(device, non_blocking=True)
        label = None if label is None else label.to(device, non_blocking=True)
        for start in range(0, len(z), size):
            rows = slice(start, start + size)
            known = None if label is None else self._filled(label[rows])
            yield self._sampler(self._filled(z[rows]), known)[: len(z[rows])]

    def _filled(self, part: Tensor) -> Tensor:
        """A whole micro-batch: the last row again and again. In memory of its own, for sums may
        depend on where rows lie."""
        missing = self.passes.micro_batch - len(part)
        return torch.cat([part, part[-1:].expand(missing, *part.shape[1:])])


def _on_cpu(z: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    return z.cpu(), known.cpu()


def levels(output: Tensor) -> tuple[Tensor, Tensor]:
    """float (N, C, H, W) in [-1, 1] to uint8 (N, H, W, C) and bool (N,), finite or not, where
    `output` is."""
    return to_levels(output), torch.isfinite(output.sum(dim=(1, 2, 3)))


def best_precision(device: Device) -> Precision:
    """bf16 where the hardware multiplies it natively, else fp32."""
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32"
