"""Which images of a set say the same thing twice.

Rows come in order of precedence (test rows of a source's own split first, then by id), so who stays
depends on the rows alone, never on who was read first. State is about 100 bytes an image.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from aigc.data.fingerprints import distance
from aigc.specs import PrepareSpec
from aigc.types import UInt8Images

Ints = npt.NDArray[np.int64]
Pairs = tuple[Ints, Ints]
Load = Callable[[Ints], UInt8Images]
"""Row numbers to their pixels (N, H, W, C)."""

_SLAB_BYTES = 256 * 2**20
_NEIGHBOURS = 4096
"""How many images of one hash band and nearly one brightness each image is compared with."""


@dataclass(frozen=True)
class Rows:
    """Fingerprints of N images, see `fingerprints`; `protected` rows are never dropped."""

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


def find(rows: Rows, spec: PrepareSpec, load: Load) -> list[Duplicate]:
    """Rows to drop, each with the row that stays for it."""
    found = exact(rows) if spec.duplicates == "drop" else []
    if spec.near_duplicates == "drop":
        alive = np.ones(len(rows.phash), bool)
        alive[[one.dropped for one in found]] = False
        found += near(rows, np.flatnonzero(alive), spec, load)
    return found


def exact(rows: Rows) -> list[Duplicate]:
    """Rows with the pixels of an earlier row."""
    _, first, inverse = np.unique(rows.content, return_index=True, return_inverse=True)
    keeper = first[inverse]
    again = (keeper != np.arange(len(keeper))) & ~rows.protected
    return [Duplicate(int(row), int(keeper[row]), "exact", 0.0) for row in np.flatnonzero(again)]


def near(rows: Rows, alive: Ints, spec: PrepareSpec, load: Load) -> list[Duplicate]:
    """Rows close to an earlier row that stays: in hash first, then in pixels."""
    earlier, later = _candidates(rows, alive, spec)
    close = np.empty(len(earlier))
    for slab in _slabs(len(earlier), spec):
        close[slab] = _distances(earlier[slab], later[slab], load)
    below = (close < spec.near_duplicate_rmse) & (close > 0)
    found: list[Duplicate] = []
    gone: set[int] = set()
    pairs = zip(earlier[below].tolist(), later[below].tolist(), close[below].tolist(), strict=True)
    for kept, dropped, rmse in pairs:
        if kept not in gone and dropped not in gone:
            gone.add(dropped)
            found.append(Duplicate(dropped, kept, "near", rmse))
    return found


def _candidates(rows: Rows, alive: Ints, spec: PrepareSpec) -> Pairs:
    """Pairs (earlier, later) not ruled out by hash, brightness or thumbnail, in order of later.

    Hashes that differ in at most d bits agree wholly in one of d + 1 bands.
    """
    bands = spec.near_duplicate_distance + 1
    edges = np.linspace(0, 64, bands + 1).astype(int)
    found: set[tuple[int, int]] = set()
    for low, high in itertools.pairwise(edges):
        mask = np.uint64((1 << int(high - low)) - 1)
        band = (rows.phash[alive] >> np.uint64(low)) & mask
        order = alive[np.lexsort((rows.mean[alive], band))]
        for left, right in _same_band(rows, order, np.uint64(low), mask, spec):
            found.update(zip(left.tolist(), right.tolist(), strict=True))
    pairs = np.array(sorted(found, key=lambda pair: (pair[1], pair[0])), np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _same_band(
    rows: Rows, order: Ints, low: np.uint64, mask: np.uint64, spec: PrepareSpec
) -> Iterator[Pairs]:
    """Neighbours at growing distance in `order` while band and brightness still agree."""
    band = (rows.phash[order] >> low) & mask
    mean = rows.mean[order]
    here: Ints = np.arange(len(order), dtype=np.int64)
    for shift in range(1, _NEIGHBOURS + 1):
        here = here[here < len(order) - shift]
        there = here + shift
        agree = (band[here] == band[there]) & (mean[there] - mean[here] < spec.near_duplicate_rmse)
        here = here[agree]
        if not len(here):
            return
        left, right = order[here], order[here + shift]
        hit = _hamming(rows.phash[left], rows.phash[right]) <= spec.near_duplicate_distance
        left, right = _ordered(rows, left[hit], right[hit])
        difference = rows.thumbnail[left].astype(np.float32) - rows.thumbnail[right]
        # Each thumbnail value was rounded by at most one half.
        similar = np.sqrt(np.square(difference).mean(axis=1)) < spec.near_duplicate_rmse + 1
        yield left[similar], right[similar]


def _ordered(rows: Rows, left: Ints, right: Ints) -> Pairs:
    """Each pair as (earlier, later), without those whose later row is protected."""
    earlier, later = np.minimum(left, right), np.maximum(left, right)
    free = ~rows.protected[later]
    return earlier[free], later[free]


def _hamming(left: npt.NDArray[np.uint64], right: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    bits: npt.NDArray[np.uint8] = np.bitwise_count(left ^ right)
    return bits


def _slabs(pairs: int, spec: PrepareSpec) -> Iterator[slice]:
    """Stretches of pairs whose pixels fit into memory together."""
    step = max(1, _SLAB_BYTES // (2 * 16 * spec.image_bytes))
    for start in range(0, pairs, step):
        yield slice(start, start + step)


def _distances(earlier: Ints, later: Ints, load: Load) -> npt.NDArray[np.float64]:
    wanted, places = np.unique(np.concatenate([earlier, later]), return_inverse=True)
    pixels = load(wanted)
    return distance(pixels[places[: len(earlier)]], pixels[places[len(earlier) :]])
