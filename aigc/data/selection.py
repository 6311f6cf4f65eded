"""Between the passes: of all decoded images, which stay, in which split, and what they measure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aigc.data import duplicates, work
from aigc.data.shards import SplitRows
from aigc.data.sources import RawSource
from aigc.specs import PrepareSpec
from aigc.types import Json, UInt8Images

Ints = npt.NDArray[np.int64]


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
        found = np.bincount(self.column("label")[self.numbers(split)], minlength=len(labels))
        return {name: int(count) for name, count in zip(labels, found, strict=False)}

    def untrained(self, labels: tuple[str, ...]) -> dict[str, str]:
        """Each class without training images, and why it has none."""
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
            else "no good pictures"
            for at, name in enumerate(labels)
            if not train[at]
        }

    def pixels(self, numbers: Ints) -> UInt8Images:
        """(N, height, width, channels) of rows, by number."""
        files, rows = self.column("file")[numbers], self.column("row")[numbers]
        table = work.read_rows(self.uris, files, rows, ["image"])
        return work.decode(table.column("image").to_pylist(), self.spec)

    def statistics(self) -> Json:
        """Mean and standard deviation of the training pixels per channel, in 0..1; exact sums."""
        chosen = pa.array(self.numbers("train"))
        sums = np.array(self.index.column("sums").take(chosen).combine_chunks().values)
        first, second = np.split(sums.reshape(len(chosen), -1).sum(axis=0, dtype=np.uint64), 2)
        count = len(chosen) * self.spec.height * self.spec.width
        mean = [int(value) / count for value in first]
        spread = [int(v) / count - m**2 for v, m in zip(second, mean, strict=True)]
        return {
            "mean": [round(value / 255, 6) for value in mean],
            "std": [round(max(value, 0) ** 0.5 / 255, 6) for value in spread],
        }

    def digest(self, labels: tuple[str, ...]) -> str:
        """sha256 over what the set holds: names, then split, id, label, pixels and, where there are
        any, caption, licence and creator of each image.

        Neither the order of storage nor the PNG encoder is part of it.
        """
        digest = hashlib.sha256(repr((labels, self.spec.size, self.spec.channels)).encode())
        start = 0
        for batch in self.index.select(["id", "label", "content", "notes"]).to_batches(65536):
            sides = self.side[start : start + len(batch)].tolist()
            columns = [column.to_pylist() for column in batch.columns]
            for side, id, label, content, notes in zip(sides, *columns, strict=True):
                if side >= 0:
                    row = f"{side}\0{id}\0{label}\0".encode()
                    digest.update(row + content + (notes or b""))
            start += len(batch)
        return digest.hexdigest()


def _reason(in_test: bool, doubles: bool) -> str:
    if in_test:
        return "only in test"
    return "all duplicates" if doubles else "no good pictures"


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
    dropped = duplicates.find(_fingerprints(good), spec, undivided.pixels) if len(good) else []
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
    """Of each class the images with the lowest lots are held out, so each class keeps its share;
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
