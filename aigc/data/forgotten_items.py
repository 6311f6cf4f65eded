"""Which items of a data set have to go: those named, their copies, and near duplicates if asked."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from aigc import storage
from aigc.data import layout
from aigc.data.dataset import Dataset
from aigc.data.fingerprints import fingerprint
from aigc.data.row_groups import read_block
from aigc.modalities.base import Items
from aigc.types import Json, Report, silent

Keep = dict[str, npt.NDArray[np.bool_]]
Place = tuple[str, int]
"""A split and a row of it."""
_BATCH = 512
_LIMITS: Json = {"near_duplicate_distance": 2, "near_duplicate_rmse": 4.0}


@dataclass(frozen=True)
class Removal:
    """What goes: `keep` bool by split, the `ids` removed, how many of them are exact copies and
    near duplicates of those named, and the named ones that the set does not have."""

    keep: Keep
    ids: frozenset[str]
    copies: int
    near: int
    missing: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.ids)


def find(dataset: Dataset, asked: Collection[str], near: bool, report: Report = silent) -> Removal:
    """The items of `asked`, the copies of them that the set holds, and with `near` what nearly
    equals them, by the limits the set was prepared with. Of a named input that was dropped as a
    duplicate, the item that was kept for it is a copy."""
    ids = {split: dataset.texts(split, "id") for split in layout.SPLITS}
    there = {name for found in ids.values() for name in found if name is not None}
    named = set(asked) & there
    stood_for, dropped = _kept_for(dataset, set(asked) - there, near)
    missing = tuple(sorted(set(asked) - there - dropped))
    roots = named | (stood_for & there)
    keep = {s: np.array([name not in roots for name in found], bool) for s, found in ids.items()}
    if not roots:
        return Removal(keep, frozenset(), 0, 0, missing)
    prints = _Prints(dataset, report)
    copies = prints.copies_of(keep)
    alike = prints.near(keep, _limits(dataset)) if near else 0
    gone = {
        name
        for split, found in ids.items()
        for name, kept in zip(found, keep[split], strict=True)
        if name is not None and not kept
    }
    return Removal(keep, frozenset(gone), copies + len(roots - named), alike, missing)


def _limits(dataset: Dataset) -> Json:
    return _LIMITS | {name: dataset.info["spec"].get(name, _LIMITS[name]) for name in _LIMITS}


def _kept_for(dataset: Dataset, names: set[str], near: bool) -> tuple[set[str], set[str]]:
    """The items that stand for dropped inputs of these names, and which of them were dropped or
    rejected."""
    dropped = _rows(dataset, "duplicates.parquet") if names else []
    rows = [row for row in dropped if row["dropped"] in names]
    kept = {row["kept"] for row in rows if near or row["kind"] == "exact"}
    rejected = {row["id"] for row in _rows(dataset, "rejects.parquet")} if names else set()
    return kept, {row["dropped"] for row in rows} | (rejected & names)


def _rows(dataset: Dataset, name: str) -> list[Json]:
    data = storage.read_if_there(storage.join(dataset.uri, name))
    rows: list[Json] = pq.read_table(io.BytesIO(data)).to_pylist() if data else []
    return rows


class _Prints:
    """Fingerprints of all items of a set."""

    def __init__(self, dataset: Dataset, report: Report) -> None:
        self._dataset = dataset
        self.content: dict[str, list[bytes]] = {}
        self.phash: dict[str, npt.NDArray[np.uint64]] = {}
        done, total = 0, sum(dataset.counts.values())
        for split in layout.SPLITS:
            content, phash = list[bytes](), [np.empty(0, np.uint64)]
            for items, _ in dataset.batches(split, _BATCH):
                found = fingerprint(items, dataset.kind)
                content += found.content
                phash.append(found.phash)
                done += len(items)
                report(done, total)
            self.content[split], self.phash[split] = content, np.concatenate(phash)

    def copies_of(self, keep: Keep) -> int:
        """Take out of `keep` what has the values of an item that is out; how many that were."""
        gone = {
            value
            for split, values in self.content.items()
            for value, kept in zip(values, keep[split], strict=True)
            if not kept
        }
        count = 0
        for split, values in self.content.items():
            same = np.array([value in gone for value in values], bool) & keep[split]
            keep[split] &= ~same
            count += int(same.sum())
        return count

    def near(self, keep: Keep, limits: Json) -> int:
        """Take out of `keep` what nearly equals an item that is out by now."""
        roots = [(split, int(row)) for split in keep for row in np.flatnonzero(~keep[split])]
        found: set[Place] = set()
        for split, row in roots:
            [item] = self._items(split, np.array([row]))
            for other in layout.SPLITS:
                apart = np.bitwise_count(self.phash[other] ^ self.phash[split][row])
                rows = np.flatnonzero((apart <= limits["near_duplicate_distance"]) & keep[other])
                for at, gap in self._gaps(item, other, rows):
                    if gap < limits["near_duplicate_rmse"]:
                        found.add((other, at))
        for split, row in found:
            keep[split][row] = False
        return len(found)

    def _gaps(
        self, item: Items, split: str, rows: npt.NDArray[np.int64]
    ) -> Iterator[tuple[int, float]]:
        """Rows and their root mean squared differences from `item`."""
        for start in range(0, len(rows), _BATCH):
            part = rows[start : start + _BATCH]
            items = self._items(split, part)
            gaps = self._dataset.kind.distance(np.repeat(item[None], len(items), 0), items)
            yield from zip(part.tolist(), gaps.tolist(), strict=True)

    def _items(self, split: str, rows: npt.NDArray[np.int64]) -> Items:
        """(N, ...) in the order of `rows`, which ascend."""
        parts = [self._dataset.item.empty(0)]
        for block in self._dataset.blocks(split):
            inside = rows[(rows >= block.start) & (rows < block.start + block.rows)] - block.start
            if len(inside):
                table = read_block(block, self._dataset.stored, inside)
                parts.append(self._dataset.decode(table)[0])
        return np.concatenate(parts)
