"""A loaded model that renders with the narrowest forward pass that fits the rows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from aigc.conditions import CONDITIONS
from aigc.errors import StoreError
from aigc.families.config import ModelConfig
from aigc.families.protocol import Points
from aigc.generation.delivery import to_files_each
from aigc.generation.engine import Engine
from aigc.generation.gates.degenerate import degenerate
from aigc.generation.gates.safety import scorer_of, unsafe
from aigc.job.keys import ATTEMPT, SampleKeys, Samples, keys_of
from aigc.modalities import MODALITIES
from aigc.modalities.base import Items
from aigc.modalities.delivery import ItemFormat
from aigc.provenance.overlay import Overlay
from aigc.service.stamps import Stamps
from aigc.specs import DegenerateGate, SafetyGate

_PROBE_SEED = 2**63 + 2
"""Larger than any seed of a user."""
_NARROWEST = 4
_PROBE_S = 10.0
"""After this time no further widths are probed: passes of long sounds take seconds each."""
_GATE = DegenerateGate()


Run = tuple[int, ItemFormat]
"""Number of rows, and their format."""


@dataclass(frozen=True)
class Rendered:
    """Files, and by reason the number of items that the degenerate gate would refuse.

    These are delivered nevertheless, since an address determines its item. The rows `unsafe`
    have no file: the candidates of all their attempts are unsafe.
    """

    files: list[bytes]
    ids: list[str]
    """Of the rows; none from a renderer without stamps."""
    degenerate: Counter[str]
    unsafe: tuple[int, ...] = ()


@dataclass(frozen=True)
class SafetyRules:
    """How a service judges what it makes; see `SafetyGate`."""

    gate: SafetyGate
    max_draws: int


class Renderer:
    """An engine with additional, narrower forward passes that give the same bits.

    An item's identity includes the micro-batch. Narrower passes (a half, a quarter … of its rows)
    are used only if a probe shows that their outputs are bit-identical, which they are if the
    libraries sum in the same order. A request for one item then costs a pass of four rows.
    """

    def __init__(
        self,
        engine: Engine,
        config: ModelConfig,
        widths: Sequence[int] | None = None,
        safety: SafetyRules | None = None,
        stamps: Stamps | None = None,
    ) -> None:
        """`widths`: those of narrower passes, if they were probed before; `stamps`: what to put
        into each item.

        Raises:
            StoreError: the model's output is not finite.
            SpecError: there is no classifier for what the model makes.
        """
        self.safety = safety
        modality = MODALITIES[config.modality]
        self.scorer = scorer_of(safety.gate, modality) if safety else None
        self.engine, self.config, self.stamps = engine, config, stamps
        self.delivery = MODALITIES[config.modality].delivery
        self.form = self.delivery.form_of(config.item, {})
        probed = _probed(engine, config) if widths is None else map(engine.narrower, widths)
        self.engines = [*probed, engine]
        """Narrowest first; the last has the full micro-batch."""

    @property
    def widths(self) -> list[int]:
        return [engine.inference.micro_batch for engine in self.engines[:-1]]

    @property
    def micro_batch(self) -> int:
        return self.engine.inference.micro_batch

    def make(
        self,
        source: SampleKeys | Points,
        runs: Sequence[Run],
        known: Sequence[str | None] = (),
    ) -> Rendered:
        """Render and encode all rows, without metadata; `runs` gives their formats in order,
        `known` the ids of latent points that are items."""
        samples = self.samples(source)
        delivered, refused = self._replaced(source, samples)
        ids: list[str] = []
        overlay = None
        if self.stamps is not None:
            ids = self.stamps.ids(delivered, samples.items, known)
            overlay = self.stamps.overlay(ids)
        found = degenerate(samples, _GATE, self.delivery)
        degenerates = Counter({why: int(rows.sum()) for why, rows in found.items() if rows.any()})
        files = self._files(samples.items, runs, overlay)
        for row in refused:
            files[row] = b""
        return Rendered(files, ids, degenerates, refused)

    def _replaced(
        self, source: SampleKeys | Points, samples: Samples
    ) -> tuple[SampleKeys | Points, tuple[int, ...]]:
        """Put the first safe candidate in place of each unsafe item; returns `source` with the
        counters of those candidates, and the rows without a safe one. Attempts follow each other
        as in bulk generation; latent points have one."""
        if self.scorer is None or self.safety is None:
            return source, ()
        gate = self.safety.gate
        rows = np.flatnonzero(unsafe(self.scorer(samples), gate))
        if not isinstance(source, SampleKeys):
            return source, tuple(rows.tolist())
        counters = source.counters.copy()
        for _ in range(1, self.safety.max_draws):
            if not len(rows):
                break
            counters[rows] += ATTEMPT
            again = self.samples(replace(source[rows], counters=counters[rows]))
            samples.items[rows], samples.finite[rows] = again.items, again.finite
            rows = rows[unsafe(self.scorer(again), gate)]
        return replace(source, counters=counters), tuple(rows.tolist())

    def _files(self, items: Items, runs: Sequence[Run], overlay: Overlay | None) -> list[bytes]:
        """Encode items (N, *shape) as bulk generation does, before they are marked."""
        formats = list(dict.fromkeys(wanted for _, wanted in runs))
        of = [formats.index(wanted) for _, wanted in runs]
        rows = np.repeat(of, [rows for rows, _ in runs])
        return to_files_each(self.delivery, items, self.form, formats, rows, overlay)

    def samples(self, source: SampleKeys | Points) -> Samples:
        """Render at most `micro_batch` rows in the model's own format."""
        engine = self._fitting(len(source))
        if isinstance(source, SampleKeys):
            return engine.render(source)
        items, finite = engine.values(engine.outputs(source))
        return Samples(items.numpy(), {}, finite.numpy())

    def _fitting(self, count: int) -> Engine:
        wide = (engine for engine in self.engines if engine.inference.micro_batch >= count)
        return next(wide, self.engine)


def _probed(engine: Engine, config: ModelConfig) -> list[Engine]:
    """Narrower engines whose outputs are bit-identical."""
    rows = engine.inference.micro_batch
    probe = sample_keys(config, rows, _PROBE_SEED)
    expected = engine.outputs(probe)
    if not torch.isfinite(expected).all():
        raise StoreError(
            "the model's output is not finite (NaN or infinite); publish another version"
        )
    found, started = list[Engine](), time.monotonic()
    for width in _widths(rows):
        narrow = engine.narrower(width)
        if _agrees(narrow, probe, expected):
            found.append(narrow)
        if time.monotonic() - started > _PROBE_S:
            break
    return found


def _widths(rows: int) -> list[int]:
    """Halves of `rows` and three quarters of these, narrowest first."""
    halves = [rows >> shift for shift in range(1, rows.bit_length())]
    found = {width for half in halves for width in (half, half * 3 // 2)}
    return sorted(width for width in found if _NARROWEST <= width < rows)


def _agrees(engine: Engine, probe: SampleKeys, expected: Tensor) -> bool:
    """Whether passes over the first and the last rows give exactly `expected`."""
    width = engine.inference.micro_batch
    for rows in (slice(0, width), slice(len(expected) - width, len(expected))):
        if not torch.equal(engine.outputs(probe[rows]), expected[rows]):
            return False
    return True


def sample_keys(config: ModelConfig, count: int, seed: int) -> SampleKeys:
    """Keys of samples with the model's default conditions."""
    numbers = np.arange(count, dtype=np.int64)
    conditions = {
        name: CONDITIONS[name].schedule(None, config).at(numbers) for name in config.takes
    }
    return keys_of(seed, numbers, conditions)
