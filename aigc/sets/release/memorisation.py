"""Whether a finished set repeats its training data: verdict, histogram and the closest pairs.

Limits and verdict are those of `aigc evaluate`, see `evaluation.memorisation`: the test items of
the same data, which nobody copied, are the baseline.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aigc.data.dataset import Dataset
from aigc.data.row_groups import read_block
from aigc.evaluation.memorisation import (
    COPY_LEVELS,
    Neighbours,
    is_suspected,
    limits_of,
    suspects,
)
from aigc.sets.release.nearest import NearestRows

PAIRS = 10
_STEP = 0.25
_BINS = int(256 / _STEP)
_SHOWN_BINS = 48

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TrainingItem:
    """An item of a training split, as it is stored."""

    id: str
    file: bytes
    creator: str | None
    licence: str | None


@dataclass(frozen=True)
class NearestPair:
    """An item of the set, the training item nearest to it, and their distance in levels."""

    index: int
    training_index: int
    distance: float


@dataclass(frozen=True)
class DistanceHistogram:
    """`edges` (B + 1,) in levels, the items of the set in each bin, and the test items, whose
    counts are scaled to those of the set; none where there are none."""

    edges: Sequence[float]
    items: Sequence[int]
    baseline: Sequence[float]


@dataclass(frozen=True)
class SetMemorisation:
    items: int
    compared: int
    copies: int
    """Items within COPY_LEVELS of a training item."""
    suspect: int
    """Items that stand out by both signs, or are copies."""
    baseline_share: float | None
    """Of suspect test items; None where there are none."""
    is_suspected: bool
    median: float
    baseline_median: float | None
    histogram: DistanceHistogram
    pairs: tuple[NearestPair, ...]
    """The closest ones, closest first; of each training item the closest one."""

    @property
    def share(self) -> float:
        return self.suspect / self.compared if self.compared else 0.0


def judge(items: int, rows: Iterable[NearestRows], test: Neighbours | None) -> SetMemorisation:
    """Of a set of `items`, from the rows of its `nearest.parquet`."""
    limits = (0.0, 0.0) if test is None else limits_of(test)
    compared = copies = suspect = 0
    counts: Counts = np.zeros(_BINS, np.int64)
    pairs: list[NearestPair] = []
    for part in rows:
        copied = part.distances < COPY_LEVELS
        compared += len(part.distances)
        copies += int(copied.sum())
        suspect += int((suspects(part.distances, part.isolation, limits) | copied).sum())
        counts += _counted(part.distances)
        pairs = _closest(pairs, part)
    share = suspect / compared if compared else 0.0
    floor = None if test is None else _suspect_share(test, limits)
    return SetMemorisation(
        items,
        compared,
        copies,
        suspect,
        floor,
        is_suspected(share, floor or 0.0),
        _median(counts),
        None if test is None else float(np.median(test.distances[:, 0])),
        _histogram(counts, test),
        tuple(pairs),
    )


def training_items(dataset: Dataset, positions: Sequence[int]) -> dict[int, TrainingItem]:
    """Items of the training split by their positions in its stored order; only these are read."""
    column = dataset.kind.column
    texts = [name for name in ("creator", "licence") if name in dataset.columns]
    found: dict[int, TrainingItem] = {}
    for block in dataset.blocks("train"):
        inside = sorted({at for at in positions if block.start <= at < block.start + block.rows})
        if not inside:
            continue
        rows = np.array(inside) - block.start
        table = read_block(block, (f"{column}.bytes", "id", *texts), rows)
        for at, row in zip(inside, table.to_pylist(), strict=True):
            said = {name: row.get(name) for name in ("creator", "licence")}
            found[at] = TrainingItem(row["id"], row[column]["bytes"], **said)
    return found


def _suspect_share(test: Neighbours, limits: tuple[float, float]) -> float:
    return float(suspects(test.distances[:, 0], test.isolation, limits).mean())


def _closest(pairs: list[NearestPair], part: NearestRows) -> list[NearestPair]:
    """Of `pairs` and `part` the closest, with each training item once."""
    order = np.lexsort((part.indices, part.distances))
    first = np.unique(part.nearest[order], return_index=True)[1]
    chosen = order[np.sort(first)[:PAIRS]]
    columns = (part.indices, part.nearest, part.distances)
    new = [NearestPair(*row) for row in zip(*(c[chosen].tolist() for c in columns), strict=True)]
    best: dict[int, NearestPair] = {}
    for pair in sorted([*pairs, *new], key=lambda pair: (pair.distance, pair.index)):
        best.setdefault(pair.training_index, pair)
    return list(best.values())[:PAIRS]


def _counted(distances: npt.NDArray[np.float32]) -> Counts:
    places = np.minimum((distances / _STEP).astype(np.int64), _BINS - 1)
    return np.bincount(places, minlength=_BINS)


def _median(counts: Counts) -> float:
    """To an eighth of a level."""
    total = int(counts.sum())
    at = int(np.searchsorted(np.cumsum(counts), (total + 1) // 2))
    return (at + 0.5) * _STEP if total else 0.0


def _histogram(counts: Counts, test: Neighbours | None) -> DistanceHistogram:
    """In as many bins as can be shown, up to the last that is not empty."""
    other = np.zeros(_BINS, np.int64) if test is None else _counted(test.distances[:, 0])
    used = np.flatnonzero(counts + other)
    width = -(-(int(used[-1]) + 1 if len(used) else 1) // _SHOWN_BINS)
    bins = -(-(int(used[-1]) + 1 if len(used) else 1) // width)
    mine, others = (
        np.pad(c, (0, width * bins))[: width * bins].reshape(bins, width).sum(1)
        for c in (counts, other)
    )
    scale = counts.sum() / other.sum() if other.sum() else 0.0
    edges = [at * width * _STEP for at in range(bins + 1)]
    return DistanceHistogram(edges, mine.tolist(), [] if not scale else (others * scale).tolist())
