"""The walk that finds near duplicates: who is near an earlier one that stays?

All comparisons are in whole numbers, so the answer is the same on every machine. Small groups are
walked side by side, a leader of each at a time; large ones in blocks against all that follows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aigc.specs import DuplicateGate

_SMALL = 64
"""Groups of up to so many are walked side by side."""
_BLOCK = 128
_CHUNK = 2048
_MANY = 0.02
"""Share of pairs near in hash from which all thumbnails of a block are compared at once."""
_PAIRS = 2**18

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]
Words = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Similarity:
    """Whether two of N items are near: `phash` (N,) within `gate.distance` bits and `thumbnail`
    uint64 (N, 8), 64 grey levels in all, within `gate.rmse`."""

    phash: Words
    thumbnail: Words
    gate: DuplicateGate

    def pairs(self, left: Rows, right: Rows) -> Mask:
        """Item against item, (M,)."""
        bits = np.bitwise_count(self.phash[left] ^ self.phash[right])
        near: Mask = bits <= self.gate.distance
        rows = np.flatnonzero(near)
        for start in range(0, len(rows), _PAIRS):
            part = rows[start : start + _PAIRS]
            near[part] = self._squared(left[part], right[part]) <= self._most
        return near

    def table(self, left: Rows, right: Rows) -> Mask:
        """Each against each, (L, R)."""
        bits = np.bitwise_count(self.phash[left][:, None] ^ self.phash[right])
        near: Mask = bits <= self.gate.distance
        hits = np.count_nonzero(near)
        if hits > _MANY * near.size:
            near &= self._squared_table(left, right) <= self._most
        elif hits:
            rows, columns = np.nonzero(near)
            near[rows, columns] = self._squared(left[rows], right[columns]) <= self._most
        return near

    @property
    def _most(self) -> float:
        """The sum of squares over a thumbnail that `gate.rmse` allows."""
        return 64 * self.gate.rmse**2

    def _levels(self, rows: Rows) -> npt.NDArray[np.float32]:
        return self.thumbnail[rows].view(np.uint8).astype(np.float32)

    def _squared(self, left: Rows, right: Rows) -> npt.NDArray[np.float32]:
        difference = self._levels(left) - self._levels(right)
        total: npt.NDArray[np.float32] = np.einsum("ij,ij->i", difference, difference)
        return total

    def _squared_table(self, left: Rows, right: Rows) -> npt.NDArray[np.float32]:
        """Exact: every sum is a whole number below 2^24, which float32 holds."""
        a, b = self._levels(left), self._levels(right)
        lengths = np.einsum("ij,ij->i", a, a)[:, None] + np.einsum("ij,ij->i", b, b)
        table: npt.NDArray[np.float32] = lengths - 2 * (a @ b.T)
        return table


def scan(likeness: Similarity, group: Words, settled: Mask) -> Mask:
    """Which of N items are refused: near an earlier item of their group that is not refused.

    Items of one `group` (N,) stand together, in the walk's order: those `settled` (N,), which are
    never refused, first.
    """
    refused = np.zeros(len(group), bool)
    first = np.flatnonzero(starts(group))
    sizes = np.diff(np.append(first, len(group)))
    undecided = (sizes > 1) & ~settled[first + sizes - 1]
    few, many = undecided & (sizes <= _SMALL), undecided & (sizes > _SMALL)
    rows = np.flatnonzero(np.repeat(few, sizes))
    _walk_small(likeness, rows, np.repeat(first, sizes), settled, refused)
    for start, size in zip(first[many], sizes[many], strict=True):
        _walk_large(likeness, np.arange(start, start + size), settled, refused)
    return refused


def starts(values: npt.NDArray[np.generic]) -> Mask:
    """Where a run of equal values begins."""
    begins = np.ones(len(values), bool)
    begins[1:] = values[1:] != values[:-1]
    return begins


def _walk_small(
    likeness: Similarity, rows: Rows, group: Rows, settled: Mask, refused: Mask
) -> None:
    """In each group the first undecided item stays and refuses those near it, and so on."""
    while len(rows):
        leads = starts(group[rows])
        leader = rows[leads][np.cumsum(leads) - 1]
        rows, leader = rows[~leads], leader[~leads]
        near = likeness.pairs(leader, rows) & ~settled[rows]
        refused[rows[near]] = True
        rows = rows[~near]


def _walk_large(likeness: Similarity, rows: Rows, settled: Mask, refused: Mask) -> None:
    """One group, block by block: the block within itself, then its leaders against the rest."""
    stay, rows = rows[settled[rows]], rows[~settled[rows]]
    for start in range(0, len(stay), _BLOCK):
        rows = _unlike(likeness, stay[start : start + _BLOCK], rows, refused)
    while len(rows):
        block, rows = rows[:_BLOCK], rows[_BLOCK:]
        lost = _within(likeness.table(block, block))
        refused[block[lost]] = True
        rows = _unlike(likeness, block[~lost], rows, refused)


def _unlike(likeness: Similarity, leaders: Rows, rows: Rows, refused: Mask) -> Rows:
    """Those of `rows` that are near none of `leaders`; the others are marked as refused."""
    near = np.zeros(len(rows), bool)
    for start in range(0, len(rows), _CHUNK):
        part = slice(start, start + _CHUNK)
        near[part] = likeness.table(leaders, rows[part]).any(axis=0)
    refused[rows[near]] = True
    return rows[~near]


def _within(near: Mask) -> Mask:
    """Who of a block is refused, given its (B, B) table of likeness."""
    lost = np.zeros(len(near), bool)
    for row in range(len(near)):
        if not lost[row]:
            lost[row + 1 :] |= near[row, row + 1 :]
    return lost
