"""Shared aliases and the small immutable values that travel between rooms."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

UInt8Images = npt.NDArray[np.uint8]
"""(N, H, W, C) pixels in 0..255, C is 1 (grey) or 3 (RGB)."""

Labels = npt.NDArray[np.int64]
"""(N,) class indices into a model's or data set's `labels`."""

Json = dict[str, Any]

MAX_ITEMS = 2**40
"""Any job has fewer."""

Result_co = TypeVar("Result_co", covariant=True)


class Report(Protocol):
    """Receives progress. `done` and `total` share a unit; `metrics` are plain numbers or text."""

    def __call__(self, done: float, total: float, **metrics: Any) -> None: ...


def silent(done: float, total: float, **metrics: Any) -> None:
    """A `Report` that says nothing."""


Notice = Callable[[str], None]
"""Hears one line when something happened that a user wants to know."""


OnBytes = Callable[[int], None]
"""Hears of each piece of an upload: how many bytes were sent."""


def no_notice(message: str) -> None:
    """A `Notice` that goes nowhere."""


@dataclass(frozen=True)
class Shard:
    """A contiguous range of items, start ≤ index < stop, and the folder it is written into."""

    number: int
    start: int
    stop: int
    folder: str = ""

    def __str__(self) -> str:
        return f"shard {self.number} (items {self.start:,} to {self.stop - 1:,})"

    @property
    def items(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Finalizer(Generic[Result_co]):
    """What is left of a unit of work once all is made: `close` waits for disks and networks more
    than it works, so a worker calls it beside its next unit. It gives the unit's result, and tells
    on the way how many bytes went out: an upload may take long, but not stand still."""

    close: Callable[[OnBytes], Result_co]


Span = tuple[float, float]
"""Of work: when it began, in seconds since 1970, and how many seconds it took."""


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """The commit of one shard. Its existence is what makes the shard's file part of the set."""

    shard: int
    start: int
    stop: int
    file: str
    size_bytes: int
    sha256: str
    content: str
    labels: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    """Candidates that gates refused, by reason."""
    unstamped: int = 0
    """Items that were signed without the time stamp that the job asks for."""
    attempt: str = ""
    host: str = ""
    started_at: float = 0.0
    wall_s: float = 0.0
    earlier: tuple[Span, ...] = ()
    """Work on the shard before the attempt that is committed: its rounds."""

    @property
    def rows(self) -> int:
        return self.stop - self.start

    def to_json(self) -> bytes:
        named = {name: getattr(self, name) for name in _RECORD_FIELDS}
        if not self.unstamped:
            del named["unstamped"]
        return json.dumps(named, sort_keys=True).encode()

    @classmethod
    def from_json(cls, data: bytes) -> ShardRecord:
        """Fields of other versions of aigc may be missing, and are passed over."""
        found = json.loads(data)
        for counts in ("labels", "refused"):  # a hundred thousand records share their names
            found[counts] = {sys.intern(key): n for key, n in found.get(counts, {}).items()}
        found["earlier"] = tuple((start, took) for start, took in found.get("earlier", ()))
        found["host"] = sys.intern(found.get("host", ""))
        return cls(**{name: value for name, value in found.items() if name in _RECORD_FIELDS})


_RECORD_FIELDS = frozenset(field.name for field in dataclasses.fields(ShardRecord))
