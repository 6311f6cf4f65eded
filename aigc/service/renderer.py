"""A model ready to render, in passes no wider than what there is to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

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
from aigc.job.keys import SampleKeys, Samples, keys_of
from aigc.modalities import MODALITIES
from aigc.modalities.base import Items
from aigc.modalities.delivery import ItemFormat
from aigc.specs import DegenerateGate

_PROBE_SEED = 2**63 + 2
"""Beyond every seed a user can give."""
_NARROWEST = 4
_GATE = DegenerateGate()


Run = tuple[int, ItemFormat]
"""So many rows of one format."""


@dataclass(frozen=True)
class Rendered:
    """Files, and by reason how many of their pictures the gate for degenerate ones would refuse.

    They are delivered all the same: an item is what its address says.
    """

    files: list[bytes]
    degenerate: Counter[str]


class Renderer:
    """An engine whose passes have as few rows as give the same numbers.

    An item's identity includes the micro-batch. Passes of a half, a quarter … of its rows are used
    only where a probe shows that each of their outputs is the same number to the last bit, which
    it is when the libraries sum in the same order. A request of one then costs a pass of four.
    """

    def __init__(
        self, engine: Engine, config: ModelConfig, widths: Sequence[int] | None = None
    ) -> None:
        """`widths` of narrower passes that were probed before.

        Raises StoreError when the model gives something that is no number.
        """
        self.engine, self.config = engine, config
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

    def make(self, source: SampleKeys | Points, runs: Sequence[Run]) -> Rendered:
        """The files of all rows; `runs` say the format of each."""
        samples = self.samples(source)
        found = degenerate(samples, _GATE, self.delivery)
        counts = Counter({why: int(rows.sum()) for why, rows in found.items() if rows.any()})
        return Rendered(self._files(samples.items, runs), counts)

    def _files(self, items: Items, runs: Sequence[Run]) -> list[bytes]:
        """(N, *shape) as bulk generation delivers them: brought into shape, encoded, marked."""
        formats = list(dict.fromkeys(wanted for _, wanted in runs))
        of = [formats.index(wanted) for _, wanted in runs]
        rows = np.repeat(of, [rows for rows, _ in runs])
        return to_files_each(self.delivery, items, self.form, formats, rows)

    def samples(self, source: SampleKeys | Points) -> Samples:
        """As the model makes them, at most micro_batch of them."""
        engine = self._fitting(len(source))
        if isinstance(source, SampleKeys):
            return engine.render(source)
        items, finite = engine.values(engine.outputs(source))
        return Samples(items.numpy(), {}, finite.numpy())

    def _fitting(self, count: int) -> Engine:
        wide = (engine for engine in self.engines if engine.inference.micro_batch >= count)
        return next(wide, self.engine)


def _probed(engine: Engine, config: ModelConfig) -> list[Engine]:
    """Narrower engines that give the same numbers."""
    rows = engine.inference.micro_batch
    probe = sample_keys(config, rows, _PROBE_SEED)
    expected = engine.outputs(probe)
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


def _agrees(engine: Engine, probe: SampleKeys, expected: Tensor) -> bool:
    """Whether a pass over the first rows, and one over the last, give `expected` bit by bit."""
    width = engine.inference.micro_batch
    for rows in (slice(0, width), slice(len(expected) - width, len(expected))):
        if not torch.equal(engine.outputs(probe[rows]), expected[rows]):
            return False
    return True


def sample_keys(config: ModelConfig, count: int, seed: int) -> SampleKeys:
    """Samples of what the model makes when nothing is asked for."""
    numbers = np.arange(count, dtype=np.int64)
    conditions = {
        name: CONDITIONS[name].schedule(None, config).at(numbers) for name in config.takes
    }
    return keys_of(seed, numbers, conditions)
