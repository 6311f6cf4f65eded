"""Model → items for any sample keys, the same items whatever else is rendered with them.

Every forward pass has the same number of rows, the micro-batch; what is missing is filled up. With
the shape fixed, a row's result depends neither on its place nor on its neighbours (each is summed
in the same order), so samples are packed as they come: a shard's, a request's, or one alone.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator

import torch
from torch import Tensor

from aigc.conditions import CONDITIONS, Conditions
from aigc.families.config import ModelConfig
from aigc.families.noise import Noise
from aigc.families.protocol import (
    Decodes,
    Device,
    Generator,
    InferenceConfig,
    Points,
    Precision,
    Tensors,
)
from aigc.job.keys import SampleKeys, Samples
from aigc.modalities import MODALITIES, ItemType


class Engine:
    """A loaded model that renders samples."""

    def __init__(self, config: ModelConfig, tensors: Tensors, inference: InferenceConfig) -> None:
        self.inference = inference
        self.generator: Generator = config.family.load(config, tensors, inference)
        self._decoder = self.generator if isinstance(self.generator, Decodes) else None
        self._delivery = MODALITIES[config.modality].delivery

    @property
    def item(self) -> ItemType:
        """One item as the model makes it."""
        return self.generator.item

    @property
    def size_bytes(self) -> int:
        return self.generator.size_bytes

    def narrower(self, micro_batch: int) -> Engine:
        """The same weights in passes of fewer rows. Its items may differ by rounding."""
        other = copy.copy(self)
        other.inference = dataclasses.replace(self.inference, micro_batch=micro_batch)
        return other

    def noise(self, keys: SampleKeys, device: str = "cpu") -> Noise:
        return Noise(keys.seeds, keys.counters, device)

    def given(self, keys: SampleKeys) -> Conditions:
        """What is asked of the samples, on the CPU."""
        missing = [name for name in self.generator.takes if name not in keys.conditions]
        if missing:
            raise ValueError(f"the model takes {', '.join(missing)}; each sample needs a value")
        tensors = {
            name: CONDITIONS[name].tensor(keys.conditions[name]) for name in self.generator.takes
        }
        knobs = {name: torch.from_numpy(values) for name, values in keys.sampling.items()}
        return Conditions(len(keys), tensors | knobs)

    @torch.inference_mode()
    def render(self, keys: SampleKeys) -> Samples:
        """Any number of samples, a micro-batch at a time.

        On a GPU every pass is queued before the first result is waited for.
        """
        parts = [self.values(output) for output in self._passes(keys)]
        items, finite = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
        return Samples(items, keys.conditions, finite)

    def values(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """What the network gives (N, …) as items (N, *shape) and bool (N,), finite or not, where
        `output` is."""
        finite = torch.isfinite(output.sum(dim=tuple(range(1, output.ndim))))
        return self._delivery.items(output), finite

    @torch.inference_mode()
    def outputs(self, source: SampleKeys | Points) -> Tensor:
        """The network tensors of N samples or points, N > 0, on the CPU."""
        passes = self._passes(source) if isinstance(source, SampleKeys) else self._decoded(source)
        return torch.cat([output.cpu() for output in passes])

    @torch.inference_mode()
    def points(self, keys: SampleKeys) -> Points:
        """The latent points of samples, on the CPU. The generator has to be one that `Decodes`."""
        assert self._decoder is not None
        return self._decoder.latents(self.noise(keys), self.given(keys))

    def _passes(self, keys: SampleKeys) -> Iterator[Tensor]:
        """The generator's outputs, on the device, of one micro-batch after the other.

        Latents are drawn of all samples first: on a CPU, passes that follow each other without
        other work in between are faster.
        """
        device = self.inference.device
        noise, given = self.noise(keys, device), self.given(keys)
        if self._decoder is not None:
            yield from self._decoded(self._decoder.latents(noise, given))
            return
        size = self.inference.micro_batch
        for rows in self._batches(len(keys)):
            output = self.generator(noise.padded(rows, size), given.padded(rows, size))
            yield output[: rows.stop - rows.start]

    def _decoded(self, points: Points) -> Iterator[Tensor]:
        assert self._decoder is not None
        points = points.to(self.inference.device)
        for rows in self._batches(len(points)):
            filled = points.padded(rows, self.inference.micro_batch)
            yield self._decoder.decode(filled)[: rows.stop - rows.start]

    def _batches(self, count: int) -> Iterator[slice]:
        size = self.inference.micro_batch
        return (slice(at, min(at + size, count)) for at in range(0, count, size))


def best_precision(device: Device) -> Precision:
    """bf16 where the hardware multiplies it natively, else fp32."""
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32"
