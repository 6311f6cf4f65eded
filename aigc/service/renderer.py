"""A loaded model that renders with the narrowest forward pass that fits the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aigc.errors import StoreError
from aigc.generation.delivery import Format, to_files_each
from aigc.generation.engine import Engine, levels
from aigc.generation.gates.degenerate import degenerate
from aigc.job.keys import SampleKeys, Samples
from aigc.models.config import ModelConfig
from aigc.specs import DegenerateGate
from aigc.types import UInt8Images

_PROBE_SEED = 2**63 + 2
"""Larger than any seed of a user."""
_NARROWEST = 4
_GATE = DegenerateGate()


Run = tuple[int, Format]
"""Number of rows, and their format."""


@dataclass(frozen=True)
class Rendered:
    """Files, and by reason the number of images that the degenerate gate would refuse.

    These are delivered nevertheless, since an address determines its item.
    """

    files: list[bytes]
    degenerate: Counter[str]


@dataclass(frozen=True)
class Latents:
    """N points to decode: `z` float32 (N, latent_dim); `label` int64 (N,) or embeddings (N, E)."""

    z: Tensor
    label: Tensor | None


class Renderer:
    """An engine with additional, narrower forward passes that give the same bits.

    An item's identity includes the micro-batch. Narrower passes (a half, a quarter … of its rows)
    are used only if a probe shows that their outputs are bit-identical, which they are if the
    libraries sum in the same order. A request for one image then costs a pass of four rows.
    """

    def __init__(
        self, engine: Engine, config: ModelConfig, widths: Sequence[int] | None = None
    ) -> None:
        """`widths`: those of narrower passes, if they were probed before.

        Raises StoreError if the model's output is not finite.
        """
        self.engine, self.config = engine, config
        self.channels = config.channels
        probed = _probed(engine, config) if widths is None else map(engine.narrower, widths)
        self.engines = [*probed, engine]
        """Narrowest first; the last has the full micro-batch."""

    @property
    def widths(self) -> list[int]:
        return [engine.passes.micro_batch for engine in self.engines[:-1]]

    @property
    def micro_batch(self) -> int:
        return self.engine.passes.micro_batch

    def make(self, source: SampleKeys | Latents, runs: Sequence[Run]) -> Rendered:
        """Render and encode all rows; `runs` gives their formats in order."""
        pictures = self.pictures(source)
        found = degenerate(pictures, _GATE)
        counts = Counter({why: int(rows.sum()) for why, rows in found.items() if rows.any()})
        return Rendered(self._files(pictures.pixels, runs), counts)

    def _files(self, pixels: UInt8Images, runs: Sequence[Run]) -> list[bytes]:
        """Encode pixels (N, H, W, C) as bulk generation does: resized and labelled."""
        formats = list(dict.fromkeys(wanted for _, wanted in runs))
        of = [formats.index(wanted) for _, wanted in runs]
        return to_files_each(
            pixels, self.channels, formats, np.repeat(of, [rows for rows, _ in runs])
        )

    def pictures(self, source: SampleKeys | Latents) -> Samples:
        """Render at most `micro_batch` rows in the model's own format."""
        if isinstance(source, SampleKeys):
            return self._fitting(len(source)).render(source)
        output = self._fitting(len(source.z)).outputs(source.z, source.label)
        pixels, finite = levels(output)
        return Samples(pixels.numpy(), None, finite.numpy())

    def _fitting(self, count: int) -> Engine:
        wide = (engine for engine in self.engines if engine.passes.micro_batch >= count)
        return next(wide, self.engine)


def _probed(engine: Engine, config: ModelConfig) -> list[Engine]:
    """Narrower engines whose outputs are bit-identical."""
    rows = engine.passes.micro_batch
    probe = probe_latents(engine, config, rows)
    expected = engine.outputs(probe.z, probe.label)
    if not torch.isfinite(expected).all():
        raise StoreError(
            "the model's output is not finite (NaN or infinite); publish another version"
        )
    narrow = [engine.narrower(width) for width in _widths(rows)]
    return [found for found in narrow if _agrees(found, probe, expected)]


def _widths(rows: int) -> list[int]:
    """Halves of `rows` and three quarters of these, narrowest first."""
    halves = [rows >> shift for shift in range(1, rows.bit_length())]
    found = {width for half in halves for width in (half, half * 3 // 2)}
    return sorted(width for width in found if _NARROWEST <= width < rows)


def _agrees(engine: Engine, probe: Latents, expected: Tensor) -> bool:
    """Whether passes over the first and the last rows give exactly `expected`."""
    width = engine.passes.micro_batch
    for rows in (slice(0, width), slice(len(expected) - width, len(expected))):
        label = None if probe.label is None else probe.label[rows]
        if not torch.equal(engine.outputs(probe.z[rows], label), expected[rows]):
            return False
    return True


def probe_latents(engine: Engine, config: ModelConfig, count: int) -> Latents:
    """Latents of all labels, a third of them truncated."""
    numbers = np.arange(count, dtype=np.int64)
    labels = numbers % len(config.labels) if config.conditional else None
    truncations = np.where(numbers % 3, np.inf, 0.7)
    draws = SampleKeys(np.full(count, _PROBE_SEED, np.uint64), numbers, labels, truncations)
    label = None if labels is None else torch.from_numpy(labels)
    return Latents(engine.latents(draws), label)
