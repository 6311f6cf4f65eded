"""Which items of a set say the same thing twice.

Rows come in order of precedence (test rows of a source's own split first, then by id), so who stays
depends on the rows alone, never on who was read first. State is at most 300 bytes an item, and
less than 512 MiB for what is compared at the time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from aigc.data.kinds import source_of
from aigc.modalities.base import Items
from aigc.specs import PrepareSpec

Ints = npt.NDArray[np.int64]
Pairs = tuple[Ints, Ints]
Load = Callable[[Ints], Items]
"""Row numbers, each once and ascending, to their items (N, ...)."""

_SLAB_BYTES, _KEPT_BYTES = 192 * 2**20, 64 * 2**20
"""Of a step of pairs with all intermediate values, and of items that are kept for later steps."""
_NEIGHBOURS = 4096
"""An item is compared with as many items of its hash band just darker and just brighter."""
_PAIRS, _THUMBNAILS = 2**20, 2**17
"""Pairs that are made, and pairs whose thumbnails are compared, at a time."""
_GROUP, _ROUNDING = 1024.0, 1e-6
"""More than two levels of brightness can differ; and what sums of them are rounded by."""


@dataclass(frozen=True)
class DuplicateRows:
    """Fingerprints of N items, see `fingerprints`; `protected` rows are never dropped."""

    content: npt.NDArray[np.void]
    phash: npt.NDArray[np.uint64]
    thumbnail: npt.NDArray[np.uint8]
    mean: npt.NDArray[np.float64]
    protected: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Duplicate:
    dropped: int
    kept: int
    kind: Literal["exact", "near"]
    rmse: float


def find(rows: DuplicateRows, spec: PrepareSpec, load: Load) -> list[Duplicate]:
    """Rows to drop, each with the row that stays for it."""
    found = exact(rows) if spec.duplicates == "drop" else []
    if spec.near_duplicates == "drop":
        alive = np.ones(len(rows.phash), bool)
        alive[[one.dropped for one in found]] = False
        found += near(rows, np.flatnonzero(alive), spec, load)
    return found


def exact(rows: DuplicateRows) -> list[Duplicate]:
    """Rows with the values of an earlier row."""
    _, first, inverse = np.unique(rows.content, return_index=True, return_inverse=True)
    keeper = first[inverse]
    again = (keeper != np.arange(len(keeper))) & ~rows.protected
    return [Duplicate(int(row), int(keeper[row]), "exact", 0.0) for row in np.flatnonzero(again)]


def near(rows: DuplicateRows, alive: Ints, spec: PrepareSpec, load: Load) -> list[Duplicate]:
    """Rows close to an earlier row that stays: in hash first, then in their items.

    Candidate pairs are made and judged in the order of their later row, a stretch at a time, and
    none is made with a row that is known to go: memory stays below 512 MiB and 300 bytes a row,
    however many rows are alike.
    """
    gone = np.ones(len(rows.phash), bool)
    gone[alive] = False
    found: list[Duplicate] = []
    items = _Compared(len(rows.phash), load, spec)
    for pairs in _slabs(_candidates(rows, alive, gone, spec), gone, items.row_bytes):
        earlier, later = pairs
        close = items.distances(earlier, later)
        below = (close < spec.near_duplicate_rmse) & (close > 0)
        alike = (earlier[below].tolist(), later[below].tolist(), close[below].tolist())
        for kept, dropped, rmse in zip(*alike, strict=True):
            if not (gone[kept] or gone[dropped]):
                gone[dropped] = True
                found.append(Duplicate(dropped, kept, "near", rmse))
    return found


@dataclass(frozen=True)
class _Band:
    """Rows in the order of one band of their hashes, then of brightness; for each row of `alive`,
    between which places of `order` its neighbours stand."""

    order: npt.NDArray[np.int32]
    first: npt.NDArray[np.int32]
    after: npt.NDArray[np.int32]

    def pairs(self, stretch: slice, alive: Ints, gone: npt.NDArray[np.bool_]) -> Pairs:
        """(earlier, later) of the rows `alive[stretch]` with their neighbours that may stay."""
        first = self.first[stretch].astype(np.int64)
        counts = self.after[stretch] - first
        starts = np.cumsum(counts) - counts
        places = np.arange(counts.sum()) + np.repeat(first - starts, counts)
        earlier = self.order[places].astype(np.int64)
        later = np.repeat(alive[stretch], counts)
        wanted = (earlier < later) & ~gone[earlier]
        return earlier[wanted], later[wanted]


def _bands(rows: DuplicateRows, alive: Ints, spec: PrepareSpec) -> list[_Band]:
    """Hashes that differ in at most d bits agree wholly in one of d + 1 bands."""
    edges = np.linspace(0, 64, spec.near_duplicate_distance + 2).astype(int)
    return [
        _band(rows, alive, int(low), int(high), spec) for low, high in itertools.pairwise(edges)
    ]


def _band(rows: DuplicateRows, alive: Ints, low: int, high: int, spec: PrepareSpec) -> _Band:
    band = (rows.phash[alive] >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
    mean = rows.mean[alive]
    sorting = np.lexsort((mean, band))
    band, mean = band[sorting], mean[sorting]
    group = np.cumsum(np.concatenate([[0], band[1:] != band[:-1]]))
    place = np.arange(len(alive))
    key = group * _GROUP + mean
    reach = spec.near_duplicate_rmse + _ROUNDING
    first, after = np.empty((2, len(alive)), np.int32)
    first[sorting] = np.maximum(np.searchsorted(key, key - reach), place - _NEIGHBOURS)
    after[sorting] = np.minimum(np.searchsorted(key, key + reach), place + _NEIGHBOURS + 1)
    return _Band(alive[sorting].astype(np.int32), first, after)


def _candidates(
    rows: DuplicateRows, alive: Ints, gone: npt.NDArray[np.bool_], spec: PrepareSpec
) -> Iterator[Pairs]:
    """Pairs (earlier, later) not ruled out by hash, brightness or thumbnail, in order of later,
    then of earlier. `gone` may grow meanwhile."""
    bands = _bands(rows, alive, spec)
    for start, stop in _stretches(bands, len(alive)):
        parts = [band.pairs(slice(start, stop), alive, gone) for band in bands]
        earlier, later = (np.concatenate(side) for side in zip(*parts, strict=True))
        likely = _hamming(rows.phash[earlier], rows.phash[later]) <= spec.near_duplicate_distance
        likely &= ~rows.protected[later]
        pairs = np.unique(later[likely] * len(rows.phash) + earlier[likely])
        later, earlier = np.divmod(pairs, len(rows.phash))
        alike = _alike(rows, earlier, later, spec)
        yield earlier[alike], later[alike]


def _stretches(bands: list[_Band], count: int) -> Iterator[tuple[int, int]]:
    """Stretches of rows that have about `_PAIRS` neighbours together, at least one row each."""
    sums = np.cumsum(sum((band.after - band.first).astype(np.int64) for band in bands))
    start = 0
    while start < count:
        before = int(sums[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(sums, before + _PAIRS, "right")))
        yield start, stop
        start = stop


def _alike(
    rows: DuplicateRows, earlier: Ints, later: Ints, spec: PrepareSpec
) -> npt.NDArray[np.bool_]:
    """Whether the thumbnails allow that the items are close."""
    found = np.empty(len(earlier), bool)
    for start in range(0, len(earlier), _THUMBNAILS):
        part = slice(start, start + _THUMBNAILS)
        difference = rows.thumbnail[earlier[part]].astype(np.float32) - rows.thumbnail[later[part]]
        # Each thumbnail value was rounded by at most one half.
        root = np.sqrt(np.square(difference).mean(axis=1))
        found[part] = root < spec.near_duplicate_rmse + 1
    return found


def _hamming(left: npt.NDArray[np.uint64], right: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    bits: npt.NDArray[np.uint8] = np.bitwise_count(left ^ right)
    return bits


def _slabs(
    candidates: Iterator[Pairs], gone: npt.NDArray[np.bool_], row_bytes: int
) -> Iterator[Pairs]:
    """The same pairs without those of rows that are `gone` by then, as many at a time as fit into
    memory together with the float64 values that their distances take."""
    step = max(1, _SLAB_BYTES // (2 * 16 * row_bytes))
    waiting: Pairs = (np.empty(0, np.int64), np.empty(0, np.int64))
    for more in candidates:
        joined = np.concatenate([waiting[0], more[0]]), np.concatenate([waiting[1], more[1]])
        waiting = _undecided(joined, gone)
        while len(waiting[0]) >= step:
            yield waiting[0][:step], waiting[1][:step]
            waiting = _undecided((waiting[0][step:], waiting[1][step:]), gone)
    if len(waiting[0]):
        yield waiting


def _undecided(pairs: Pairs, gone: npt.NDArray[np.bool_]) -> Pairs:
    keep = ~(gone[pairs[0]] | gone[pairs[1]])
    return pairs[0][keep], pairs[1][keep]


class _Compared:
    """Distances between rows. The values of the rows that were loaded last are kept, so that like
    items are not decoded again for each of their pairs."""

    def __init__(self, rows: int, load: Load, spec: PrepareSpec) -> None:
        self._load, self._source = load, source_of(spec)
        item = self._source.item(spec)
        blank = self._source.compared(np.zeros((1, *item.shape), item.dtype))
        self.row_bytes = blank.nbytes
        self._most = _KEPT_BYTES // self.row_bytes
        self._at_once = max(1, _KEPT_BYTES // item.size_bytes)
        self._kept: npt.NDArray[Any] | None = None
        self._row_at = np.full(self._most, -1, np.int64)
        """The row in each place of `_kept`."""
        self._place_of = np.full(rows, -1, np.int32)
        self._next = 0

    def distances(self, earlier: Ints, later: Ints) -> npt.NDArray[np.float64]:
        """(N,) of pairs of rows."""
        wanted, places = np.unique(np.concatenate([earlier, later]), return_inverse=True)
        values = self._values(wanted)
        count = len(earlier)
        return self._source.distance(values[places[:count]], values[places[count:]])

    def _values(self, wanted: Ints) -> npt.NDArray[Any]:
        """(N, ...) of the rows `wanted` (N,)."""
        place = self._place_of[wanted]
        missing = np.flatnonzero(place < 0)
        if not len(missing) and self._kept is not None:
            return self._kept[place]
        loaded = self._loaded(wanted[missing])
        values = np.empty((len(wanted), *loaded.shape[1:]), loaded.dtype)
        values[missing] = loaded
        if self._kept is None:
            self._kept = np.empty((self._most, *loaded.shape[1:]), loaded.dtype)
        known = place >= 0
        values[known] = self._kept[place[known]]
        self._keep(self._kept, wanted[missing], loaded)
        return values

    def _loaded(self, rows: Ints) -> npt.NDArray[Any]:
        """(N, ...) of `rows` (N,), of which only some are in memory as items at a time."""
        starts = range(0, max(1, len(rows)), self._at_once)
        parts = (self._load(rows[start : start + self._at_once]) for start in starts)
        return np.concatenate([self._source.compared(part) for part in parts])

    def _keep(self, kept: npt.NDArray[Any], rows: Ints, values: npt.NDArray[Any]) -> None:
        """In the places of those that were loaded first."""
        rows, values = rows[: self._most], values[: self._most]
        places = (self._next + np.arange(len(rows))) % max(1, self._most)
        before = self._row_at[places]
        self._place_of[before[before >= 0]] = -1
        kept[places], self._row_at[places], self._place_of[rows] = values, rows, places
        self._next = (self._next + len(rows)) % max(1, self._most)
