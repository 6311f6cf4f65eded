"""Exact and near duplicates across a whole job, found in parts that fit into memory.

Two 64-bit hashes that differ in at most d bits agree wholly in one of d + 1 bands. Items whose
hashes agree in a band are a group; each group is walked by itself, settled items first, then in
ascending order, and an item is refused if it is near an earlier one that the walk kept. So of two
near duplicates one is refused in the group they share, and who is refused depends on the items
alone: not on shards, workers or how groups are spread over parts.

An item takes 97 bytes. A part reads all signatures and holds those of its groups, about 400,000 of
them in 120 MB whatever the size of the job, unless a single group is larger. Equal items are held
once. So what is read grows with the square of the job: for 10 million items 75 times 1 GB.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aigc.data.fingerprints import THUMBNAIL, fingerprint
from aigc.errors import StorageError
from aigc.generation.near_duplicate_scan import Similarity, scan, starts
from aigc.job.keys import Ints
from aigc.modalities import Source
from aigc.modalities.item import Items
from aigc.specs import DuplicateGate

_MAGIC = b"AIGCSIG1"
_ROW = np.dtype(
    [
        ("order", "<i8"),
        ("phash", "<u8"),
        ("thumbnail", "u1", (THUMBNAIL**2,)),
        ("content", "u1", (16,)),
        ("settled", "?"),
    ]
)
_PART_ITEMS = 400_000
_UNSETTLED = 2**62
"""Added to the order of an item not yet accepted: settled ones come first."""
_MIX = np.random.default_rng(0).integers(2**63, size=16, dtype=np.uint64) * np.uint64(
    2
) + np.uint64(1)

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Signatures:
    """What N items are compared by, see `data.fingerprints`: `order` int64 (N,) ranks the job's
    candidates (of two that are alike the lower stays), `phash` uint64 (N,), `thumbnail` uint8
    (N, 64), `content` uint8 (N, 16), `settled` bool (N,) for items accepted before, which stay."""

    order: Ints
    phash: npt.NDArray[np.uint64]
    thumbnail: npt.NDArray[np.uint8]
    content: npt.NDArray[np.uint8]
    settled: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.order)

    def take(self, rows: npt.NDArray[np.generic]) -> Signatures:
        """Some of them, by mask or row numbers."""
        return Signatures(*(getattr(self, name)[rows] for name in _ROW.names or ()))

    def settle(self, refused: Ints) -> Signatures:
        """Without those whose order is in `refused` (sorted); the others are settled."""
        kept = self.take(~_among(self.order, refused))
        return Signatures(
            kept.order, kept.phash, kept.thumbnail, kept.content, np.ones(len(kept), bool)
        )

    def to_bytes(self) -> bytes:
        """97 bytes an item behind a short mark; the same on every machine."""
        rows = np.empty(len(self), _ROW)
        for name in _ROW.names or ():
            rows[name] = getattr(self, name)
        return _MAGIC + rows.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Signatures:
        """Views into `data`. Raises StorageError when it is not what `to_bytes` gave."""
        if data[: len(_MAGIC)] != _MAGIC or (len(data) - len(_MAGIC)) % _ROW.itemsize:
            raise StorageError("a file of signatures is damaged; delete its folder and run again")
        rows = np.frombuffer(data, _ROW, offset=len(_MAGIC))
        return cls(*(rows[name] for name in _ROW.names or ()))


def signatures(order: Ints, items: Items, source: Source) -> Signatures:
    """Of candidates `order` (N,) and their items (N, *shape), each by itself; `source` is that of
    their modality."""
    found = fingerprint(items, source)
    content = np.frombuffer(b"".join(found.content), np.uint8).reshape(-1, 16)
    settled = np.zeros(len(order), bool)
    return Signatures(order, found.phash, found.thumbnail, content, settled)


def concatenate(parts: Sequence[Signatures]) -> Signatures:
    """One after the other; at least one."""
    columns = ([getattr(part, name) for part in parts] for name in _ROW.names or ())
    return Signatures(*(np.concatenate(column) for column in columns))


@dataclass(frozen=True)
class Part:
    """A unit of work: the groups of one band that fall into one bucket."""

    band: int
    bands: int
    bucket: int = 0
    buckets: int = 1

    def __str__(self) -> str:
        return f"band {self.band + 1} of {self.bands}, bucket {self.bucket + 1} of {self.buckets}"

    def values(self, phash: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """This band's bits of each hash (N,)."""
        low, high = (self.band + np.arange(2)) * 64 // self.bands
        return (phash >> np.uint64(low)) & np.uint64(2 ** int(high - low) - 1)

    def holds(self, phash: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Which hashes (N,) fall into this bucket; equal band values fall together."""
        if self.buckets == 1:
            return np.ones(len(phash), bool)
        spread = (self.values(phash) * _MIX[0]) >> np.uint64(32)
        inside: npt.NDArray[np.bool_] = spread % np.uint64(self.buckets) == self.bucket
        return inside


def parts(items: int, distance: int) -> list[Part]:
    """The units that together find every duplicate among `items` within `distance` bits."""
    bands = distance + 1
    buckets = max(1, -(-items // _PART_ITEMS))
    return [
        Part(band, bands, bucket, buckets)
        for band, bucket in itertools.product(range(bands), range(buckets))
    ]


def find(part: Part, shards: Iterable[Signatures], gate: DuplicateGate) -> Ints:
    """Orders refused in `part`, sorted; `shards` are read once, in any order.

    The parts of a job are `parts(items, gate.distance if gate.near else 0)`; what any of them
    refuses is refused.
    """
    pile = _Pile(gate)
    for shard in shards:
        pile.add(shard, np.flatnonzero(part.holds(shard.phash)))
    pile.collapse()
    if gate.near:
        order = np.lexsort((pile.rank, part.values(pile.words[:, 0])))
        rank, words = pile.rank[order], pile.words[order]
        likeness = Similarity(words[:, 0], words[:, 1:], gate)
        lost = scan(likeness, part.values(words[:, 0]), rank < _UNSETTLED)
        pile.refused.append(rank[lost] - _UNSETTLED)
    return np.sort(np.concatenate(pile.refused))


class _Pile:
    """A part's items, of which equal ones are put aside whenever they have doubled.

    `words` uint64 (N, K) is all that is compared (hash and thumbnail, or the content), `rank`
    int64 (N,) the walk's order. A copy is as near to any leader as its original, so only the
    original takes part; settled originals need no second one either.
    """

    def __init__(self, gate: DuplicateGate) -> None:
        self._near = gate.near
        self.rank = np.empty(0, np.int64)
        self.words: Words = np.empty((0, 9 if gate.near else 2), np.uint64)
        self.refused: list[Ints] = [np.empty(0, np.int64)]
        self._fresh: list[tuple[Ints, Words]] = []
        self._waiting = 0

    def add(self, shard: Signatures, rows: npt.NDArray[np.intp]) -> None:
        unsettled = np.where(shard.settled[rows], 0, _UNSETTLED)
        self._fresh.append((shard.order[rows] + unsettled, self._words(shard, rows)))
        self._waiting += len(rows)
        if self._waiting > max(len(self.rank), _PART_ITEMS // 2):
            self.collapse()

    def collapse(self) -> None:
        """Keep the first of equal items; the others are refused unless settled."""
        rank = np.concatenate([self.rank, *(rank for rank, _ in self._fresh)])
        words = np.concatenate([self.words, *(words for _, words in self._fresh)])
        self._fresh, self._waiting = [], 0
        mixed = _mixed(words)
        order = np.lexsort((rank, mixed))
        rank, words, mixed = rank[order], words[order], mixed[order]
        first = np.maximum.accumulate(np.where(starts(mixed), np.arange(len(mixed)), 0))
        again = (first != np.arange(len(mixed))) & (words == words[first]).all(axis=1)
        refused = again & (rank >= _UNSETTLED) & (rank != rank[first])
        self.refused.append(rank[refused] - _UNSETTLED)
        self.rank, self.words = rank[~again], words[~again]

    def _words(self, shard: Signatures, rows: npt.NDArray[np.intp]) -> Words:
        if not self._near:
            return np.ascontiguousarray(shard.content[rows]).view(np.uint64)
        thumbnail = np.ascontiguousarray(shard.thumbnail[rows]).view(np.uint64)
        return np.column_stack([shard.phash[rows], thumbnail])


def _mixed(words: Words) -> Words:
    """(N, K) to one number (N,) each; unequal rows that collide are told apart by their words."""
    folded = words ^ (words >> np.uint64(29))
    mixed: Words = (folded * _MIX[: words.shape[1]]).sum(axis=1, dtype=np.uint64)
    return mixed


def _among(values: Ints, known: Ints) -> npt.NDArray[np.bool_]:
    """Which of `values` (N,) are in `known` (sorted)."""
    if not len(known):
        return np.zeros(len(values), bool)
    at = np.minimum(np.searchsorted(known, values), len(known) - 1)
    found: npt.NDArray[np.bool_] = known[at] == values
    return found
