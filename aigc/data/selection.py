"""Between the passes: of all decoded items, which stay, in which split, and what they measure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aigc.data import duplicates, measures, work
from aigc.data.kinds import source_of
from aigc.data.shards import SplitRows
from aigc.data.sources import RawSource
from aigc.modalities.base import Items
from aigc.specs import PrepareSpec
from aigc.types import Json

Ints = npt.NDArray[np.int64]
_ROWS = 1024


@dataclass(frozen=True)
class Selection:
    """All good rows in order of precedence, and what became of each."""

    spec: PrepareSpec
    uris: tuple[str, ...]
    index: pa.Table
    rejects: pa.Table
    """id, reason"""
    dropped: list[duplicates.Duplicate]
    side: npt.NDArray[np.int8]
    """0 train, 1 test, -1 dropped."""

    def numbers(self, split: str) -> Ints:
        return np.flatnonzero(self.side == ("train", "test").index(split))

    def column(self, name: str) -> npt.NDArray[np.int64]:
        values: npt.NDArray[np.int64] = self.index.column(name).to_numpy()
        return values

    def rows(self, split: str) -> SplitRows:
        """The split's rows for the second pass."""
        chosen = self.numbers(split)
        files, rows, size_bytes, lots = (
            self.column(name)[chosen] for name in ("file", "row", "size_bytes", "lot")
        )
        return SplitRows(files, rows, size_bytes, lots.astype(np.uint64))

    @property
    def counts(self) -> dict[str, int]:
        return {split: len(self.numbers(split)) for split in ("train", "test")}

    def per_class(self, split: str, labels: tuple[str, ...]) -> dict[str, int]:
        return measures.per_class(self.column("label")[self.numbers(split)], labels)

    def untrained(self, labels: tuple[str, ...]) -> dict[str, str]:
        """Each class without training items, and why it has none."""
        label, count = self.column("label"), len(labels)
        train, test = (
            np.bincount(label[self.numbers(split)], minlength=count) for split in ("train", "test")
        )
        doubles = np.bincount(label[self.side < 0], minlength=count)
        return {
            name: "only in test"
            if test[at]
            else "all duplicates"
            if doubles[at]
            else "no good files"
            for at, name in enumerate(labels)
            if not train[at]
        }

    def items(self, numbers: Ints) -> Items:
        """(N, ...) of rows, by number."""
        files, rows = self.column("file")[numbers], self.column("row")[numbers]
        table = work.read_rows(self.uris, files, rows, ["item"])
        return work.decode(table.column("item").to_pylist(), self.spec)

    def statistics(self) -> Json:
        """Mean and standard deviation of the training values per channel, over the full scale;
        exact sums."""
        source = source_of(self.spec)
        chosen = pa.array(self.numbers("train"))
        sums = np.array(self.index.column("sums").take(chosen).combine_chunks().values)
        *others, channels = source.item(self.spec).shape
        totals = _totals(sums.reshape(len(chosen), 2 * channels))
        return measures.statistics(totals, len(chosen) * math.prod(others), source.full_scale)

    def digest(self, labels: tuple[str, ...]) -> str:
        """sha256 over what the set holds: names, then split, id, label, values and, where there are
        any, caption, licence and creator of each item.

        Neither the order of storage nor the encoder is part of it.
        """
        digest = measures.begun_digest(labels, source_of(self.spec).identity(self.spec))
        start = 0
        for batch in self.index.select(["id", "label", "content", "notes"]).to_batches(65536):
            sides = self.side[start : start + len(batch)].tolist()
            columns = [column.to_pylist() for column in batch.columns]
            for side, id, label, content, notes in zip(sides, *columns, strict=True):
                if side >= 0:
                    digest.update(measures.digest_row(side, id, label, content, notes))
            start += len(batch)
        return digest.hexdigest()


def _totals(sums: Ints) -> list[int]:
    """Of each column; a thousand rows at a time, whose sums cannot overflow 64 bits."""
    parts = [sums[start : start + _ROWS].sum(axis=0) for start in range(0, len(sums), _ROWS)]
    return [sum(int(value) for value in column) for column in zip(*parts, strict=True)]


def select(spec: PrepareSpec, source: RawSource, uris: tuple[str, ...]) -> Selection:
    """Drop duplicates, then divide what stays."""
    table = work.read_index(uris)
    good = table.filter(pc.is_null(table.column("reason")))
    # Test rows of a source's own split come first, so that they win over training rows.
    good = good.append_column("late", pc.invert(good.column("test")))
    good = good.sort_by([("late", "ascending"), ("id", "ascending")]).combine_chunks()
    bad = table.filter(pc.is_valid(table.column("reason"))).select(["id", "reason"]).sort_by("id")
    side = np.zeros(len(good), np.int8)
    undivided = Selection(spec, uris, good, bad, [], side)
    dropped = duplicates.find(_fingerprints(good), spec, undivided.items) if len(good) else []
    gone = np.zeros(len(good), bool)
    gone[[one.dropped for one in dropped]] = True
    if source.own_split:
        side = good.column("test").to_numpy().astype(np.int8)
    else:
        side = _divide(spec, undivided.column("label"), good.column("lot").to_numpy(), gone)
    side[gone] = -1
    return Selection(spec, uris, good, bad, dropped, side)


def _divide(
    spec: PrepareSpec, labels: Ints, lots: npt.NDArray[np.uint64], gone: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int8]:
    """Of each class the items with the lowest lots are held out, so each class keeps its share;
    one is left to train on unless all are to be held out."""
    side = np.zeros(len(labels), np.int8)
    for label in np.unique(labels):
        members = np.flatnonzero((labels == label) & ~gone)
        most = len(members) if spec.test_fraction == 1 else len(members) - 1
        held_out = min(most, round(spec.test_fraction * len(members)))
        side[members[np.argsort(lots[members], kind="stable")[:held_out]]] = 1
    return side


def _fingerprints(good: pa.Table) -> duplicates.DuplicateRows:
    def fixed(name: str, width: int) -> npt.NDArray[np.uint8]:
        column = pa.concat_arrays(good.column(name).chunks)
        flat = np.frombuffer(column.buffers()[1], np.uint8).reshape(-1, width)
        return flat[column.offset : column.offset + len(column)]

    return duplicates.DuplicateRows(
        content=np.ascontiguousarray(fixed("content", 16)).view("V16").reshape(-1),
        phash=good.column("phash").to_numpy().astype(np.uint64),
        thumbnail=fixed("thumbnail", 64),
        mean=good.column("mean").to_numpy(),
        protected=good.column("test").to_numpy(),
    )
