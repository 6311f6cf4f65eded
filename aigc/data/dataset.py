"""A prepared data set, opened: what it holds, and its items in flat memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from aigc import storage
from aigc.cpus import usable_cpus
from aigc.data import layout
from aigc.data.kinds import source_named
from aigc.data.row_groups import Ints, RowGroup, read_block
from aigc.data.spool import empty_items
from aigc.errors import DamagedError, DataError
from aigc.modalities import MODALITIES, ItemType, Source
from aigc.modalities.base import Items
from aigc.specs import Fit
from aigc.strict import WHITE
from aigc.types import Json, Labels

_DECODE_BATCH = 2048
_THREAD_ITEMS = 512


def open_dataset(uri: str) -> Dataset:
    """The data set at `uri`, from its `dataset.json`; no item is read yet.

    Raises:
        DataError: there is none, or it was never finished.
    """
    uri = storage.absolute(uri)
    marker = storage.join(uri, layout.MARKER)
    try:
        described = storage.read_json(marker)
    except DamagedError:
        raise DataError(f"{marker}: damaged (not JSON); prepare the data set again") from None
    if described is not None:
        return Dataset(uri, described)
    if storage.exists(storage.join(uri, layout.WORK, "spec.json")):
        raise DataError(f"{uri}: unfinished; run the same `aigc data prepare` again to finish it")
    raise DataError(f"{uri}: no prepared data set here; make one: aigc data prepare SOURCE {uri}")


@dataclass(frozen=True)
class Dataset:
    uri: str
    info: Json
    """The content of `dataset.json`."""

    @property
    def modality(self) -> str:
        """Its kind of content, a key of `MODALITIES`."""
        return str(self.info.get("modality", "image"))

    @cached_property
    def kind(self) -> Source:
        """How its items are decoded and compared."""
        return source_named(self.modality, self.uri)

    @property
    def title(self) -> str:
        """Several of its items, in a sentence: `images`."""
        return MODALITIES[self.modality].title

    @cached_property
    def item(self) -> ItemType:
        """What each of its items is."""
        if "item" in self.info:
            found = self.info["item"]
            return ItemType(tuple(found["shape"]), found["dtype"], found.get("rate_hz"))
        return ItemType((self.height, self.width, self.channels), "uint8")  # an older set of images

    @property
    def stored(self) -> tuple[str, ...]:
        """The columns that `decode` needs."""
        return f"{self.kind.column}.bytes", "label"

    @property
    def height(self) -> int:
        return int(self.info["height"])

    @property
    def width(self) -> int:
        return int(self.info["width"])

    @property
    def channels(self) -> int:
        return int(self.info["channels"])

    @property
    def fit(self) -> Fit:
        """How images of other aspect ratios were brought into shape; sounds have none."""
        fit: Fit = self.info["spec"].get("fit", "crop")
        return fit

    @property
    def background(self) -> str:
        """Colour behind transparent images and around padded ones, #rrggbb."""
        colour: str = self.info["spec"].get("background", WHITE)
        return colour

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.info["labels"])

    @property
    def counts(self) -> dict[str, int]:
        """Items of each split: `train`, `test`."""
        return dict(self.info["counts"])

    @property
    def per_class(self) -> dict[str, dict[str, int]]:
        """Items of each split and class name."""
        return dict(self.info["per_class"])

    @property
    def untrained(self) -> tuple[str, ...]:
        """Classes without training items."""
        counts = self.per_class["train"]
        return tuple(name for name in self.labels if not counts.get(name))

    @property
    def digest(self) -> str:
        return str(self.info["digest"])

    @property
    def source(self) -> str:
        return str(self.info["source"])

    @property
    def licence(self) -> str | None:
        return self.info.get("licence")

    @property
    def columns(self) -> tuple[str, ...]:
        """Of its Parquet files: that of the items, label, id and, where its source had them,
        caption, licence, creator."""
        return tuple(self.info.get("columns", layout.columns(self.kind.column)))

    @property
    def item_bytes(self) -> int:
        """Size of one decoded item."""
        return self.item.size_bytes

    @cached_property
    def _blocks(self) -> dict[str, tuple[RowGroup, ...]]:
        return {split: tuple(self._of(files)) for split, files in self.info["files"].items()}

    def blocks(self, split: str) -> tuple[RowGroup, ...]:
        """The row groups of a split, in stored order."""
        if split not in self._blocks:
            raise DataError(f"{self.uri}: no split {split!r}; it has {', '.join(self._blocks)}")
        return self._blocks[split]

    def read(
        self,
        split: str,
        limit: int | None = None,
        seed: int = 0,
        memory_bytes: int = sys.maxsize,
    ) -> tuple[Items, Labels]:
        """All of a split in stored order, or `limit` items of it drawn at random by `seed`.

        Returns (N, ...) items and (N,) labels; N is smaller than `limit` if the split is. Only
        what is drawn is decoded: memory is bounded by the result, and that by `memory_bytes`: see
        `empty_items`.
        """
        blocks = self.blocks(split)
        total = self.counts[split]
        if limit is None or limit >= total:
            chosen: Ints = np.arange(total)
        else:
            chosen = np.random.default_rng([seed, total]).permutation(total)[:limit]
        shape = (len(chosen), *self.item.shape)
        items = empty_items(shape, memory_bytes, self.item.dtype)
        labels = np.empty(len(chosen), np.int64)
        order = np.argsort(chosen, kind="stable")
        ranked = chosen[order]
        for block in blocks:
            low, high = np.searchsorted(ranked, [block.start, block.start + block.rows])
            if low < high:
                table = self.read_block(block, ranked[low:high] - block.start)
                items[order[low:high]], labels[order[low:high]] = self.decode(table)
        return items, labels

    def batches(self, split: str, batch_items: int) -> Iterator[tuple[Items, Labels]]:
        """All of a split in stored order, a batch at a time; the last one may be smaller."""
        items: list[Items] = []
        labels: list[Labels] = []
        waiting = 0
        for block in self.blocks(split):
            table = self.read_block(block)
            for start in range(0, len(table), _DECODE_BATCH):
                part = self.decode(table.slice(start, _DECODE_BATCH))
                items, labels = [*items, part[0]], [*labels, part[1]]
                waiting += len(part[1])
                if waiting >= batch_items:
                    joined, names = np.concatenate(items), np.concatenate(labels)
                    whole = waiting - waiting % batch_items
                    for at in range(0, whole, batch_items):
                        yield joined[at : at + batch_items], names[at : at + batch_items]
                    items, labels, waiting = [joined[whole:]], [names[whole:]], waiting - whole
        if waiting:
            yield np.concatenate(items), np.concatenate(labels)

    def captions(self, split: str) -> list[str | None]:
        """The caption of each item of a split, in stored order; None where it has none.

        Raises DataError: the set has no captions.
        """
        return self.texts(split, "caption")

    def texts(self, split: str, column: str, limit: int | None = None) -> list[str | None]:
        """A column of text (id, caption, licence or creator) of a split, or its first `limit` rows.

        No item is read. Raises DataError: the set has no such column.
        """
        self.require(column)
        found: list[str | None] = []
        for block in self.blocks(split):
            if limit is not None and len(found) >= limit:
                break
            found += read_block(block, (column,)).column(column).to_pylist()
        return found[:limit]

    def require(self, column: str) -> None:
        """Raises DataError when the set has no such column."""
        if column not in self.columns:
            raise DataError(
                f"{self.uri}: has no column {column!r}, only {', '.join(self.columns)}; prepare it "
                f"from a source with one (metadata.csv, or {column}_column in Parquet)"
            )

    def read_block(self, block: RowGroup, rows: Ints | None = None) -> pa.Table:
        """As `read_block`, what `decode` needs."""
        return read_block(block, self.stored, rows)

    def decode(self, table: pa.Table) -> tuple[Items, Labels]:
        """Items and labels of rows as `read_block` returns them."""
        encoded = _encoded(table.column(self.kind.column))
        items = self.item.empty(len(encoded))
        parts = [slice(a, a + _THREAD_ITEMS) for a in range(0, len(encoded), _THREAD_ITEMS)]
        try:
            if len(parts) == 1:
                self._fill(items, encoded)
            else:
                with ThreadPoolExecutor(min(4, usable_cpus())) as pool:
                    list(pool.map(lambda part: self._fill(items[part], encoded[part]), parts))
        except ValueError as error:
            raise DataError(f"{self.uri}: a stored {self.kind.noun} is damaged ({error})") from None
        return items, table.column("label").to_numpy().astype(np.int64)  # its own, to be written to

    def _fill(self, items: Items, encoded: Sequence[Any]) -> None:
        for slot, data in zip(items, encoded, strict=True):
            slot[...] = self.kind.decode(data, self.item)

    def _of(self, files: list[Json]) -> Iterator[RowGroup]:
        start = 0
        for file in files:
            uri = storage.join(self.uri, file["file"])
            for group, rows in enumerate(file["row_groups"]):
                size_bytes = file["size_bytes"] * rows // max(1, file["rows"])
                yield RowGroup(uri, group, start, rows, size_bytes)
                start += rows


def _encoded(column: Any) -> list[bytes]:
    column = column.combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    return list(column.field("bytes").to_pylist())
