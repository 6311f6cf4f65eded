"""Sample keys: what, besides the weights, decides an item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from aigc.conditions.base import Values
from aigc.types import MAX_ITEMS

Ints = npt.NDArray[np.int64]

ATTEMPT = MAX_ITEMS
"""An item's n-th attempt has the random counter n * ATTEMPT + (the item's place in its brief): a
refused one is replaced by the item's next attempt, whatever happens to its neighbours."""


@dataclass(frozen=True)
class SampleKeys:
    """N samples, in any order and from any seeds.

    `seeds` uint64 (N,) and `counters` int64 (N,) determine their random numbers; `conditions` are
    the values (N,) by name; `sampling` the family's knobs float64 (N,) by name, NaN where a sample
    has none, left out where no sample has one.
    """

    seeds: npt.NDArray[np.uint64]
    counters: Ints
    conditions: Mapping[str, Values] = field(default_factory=dict)
    sampling: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.counters)

    def __getitem__(self, rows: Any) -> SampleKeys:
        """Some of them: a slice, a mask or row numbers."""
        return SampleKeys(
            self.seeds[rows],
            self.counters[rows],
            {name: values[rows] for name, values in self.conditions.items()},
            {name: values[rows] for name, values in self.sampling.items()},
        )


def keys_of(
    seed: int,
    counters: Ints,
    conditions: Mapping[str, Values] | None = None,
    sampling: Mapping[str, float | None] | None = None,
) -> SampleKeys:
    """Samples of one seed and one setting of the knobs."""
    count = len(counters)
    knobs = {
        name: np.full(count, value) for name, value in (sampling or {}).items() if value is not None
    }
    return SampleKeys(np.full(count, seed, np.uint64), counters, conditions or {}, knobs)


def joined(parts: Sequence[SampleKeys]) -> SampleKeys:
    """One after the other; all have the same conditions."""
    knobs = dict.fromkeys(name for part in parts for name in part.sampling)
    return SampleKeys(
        np.concatenate([part.seeds for part in parts]),
        np.concatenate([part.counters for part in parts]),
        {
            name: np.concatenate([part.conditions[name] for part in parts])
            for name in parts[0].conditions
        },
        {
            name: np.concatenate(
                [part.sampling.get(name, np.full(len(part), np.nan)) for part in parts]
            )
            for name in knobs
        },
    )


@dataclass(frozen=True)
class Samples:
    """N rendered samples: `items` (N, *shape of an item), their `conditions` (N,) by name, and
    `finite` bool (N,), False where the model's output is not finite."""

    items: npt.NDArray[Any]
    conditions: Mapping[str, Values]
    finite: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.items)
