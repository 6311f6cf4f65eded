"""First pass: a chunk of a source becomes one Parquet file of clean items and their fingerprints.

The work files live below the destination while the set is being made. One appears whole or not at
all, so a chunk whose file exists is done.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from aigc import storage
from aigc.data import layout, rights
from aigc.data.fingerprints import fingerprint
from aigc.data.kinds import source_of
from aigc.data.sources import Chunk, Input, lot
from aigc.modalities.base import Items
from aigc.specs import PrepareSpec

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("label", pa.int64()),
        ("test", pa.bool_()),
        ("lot", pa.uint64()),
        ("reason", pa.string()),
        ("content", pa.binary(16)),
        ("phash", pa.uint64()),
        ("thumbnail", pa.binary(64)),
        ("mean", pa.float64()),
        ("sums", pa.list_(pa.int64())),
        ("size_bytes", pa.int64()),
        ("notes", pa.binary(16)),
        ("licence", pa.string()),
        ("creator", pa.string()),
        ("source", pa.string()),
        ("consent", pa.string()),
        ("caption", pa.string()),
        ("item", pa.binary()),
    ]
)
_BATCH_BYTES = 8 * 2**20
INDEX = [name for name in SCHEMA.names if name not in ("item", "caption")]


@dataclass(frozen=True)
class ChunkTask:
    """One unit of the first pass, complete in itself."""

    chunk: Chunk
    spec: PrepareSpec
    out: str
    """URI of the work file."""
    licence: str | None = None
    """Of the whole source, for the policy of rights."""


@dataclass(frozen=True)
class ChunkDone:
    items: int
    rejects: int


def decode_chunk(task: ChunkTask) -> ChunkDone:
    """Write the task's work file, unless it is there; memory is bounded by one batch of items."""
    if storage.exists(task.out):
        return _count(task.out)
    scratch = storage.scratch(task.out)
    total = rejects = 0
    try:
        with (
            layout.parquet_errors(task.out),
            pq.ParquetWriter(scratch, SCHEMA, compression="none") as writer,
        ):
            for batch in _batched(_inputs(task), _batch_items(task.spec)):
                writer.write_table(_table(batch, task.spec))
                total += len(batch)
                rejects += sum(one.item is None for one in batch)
        storage.upload(scratch, task.out)
    finally:
        scratch.unlink(missing_ok=True)
    return ChunkDone(total, rejects)


def _inputs(task: ChunkTask) -> Iterator[Input]:
    inputs, policy = task.chunk.items(task.spec), task.spec.rights
    return inputs if policy is None else rights.permitted(inputs, policy, task.licence)


def read_index(uris: Sequence[str]) -> pa.Table:
    """Everything but items and captions of all work files, with columns `file` and `row`."""
    tables = []
    for number, uri in enumerate(uris):
        with layout.parquet_errors(uri), storage.open_input(uri) as stream:
            table = pq.ParquetFile(stream).read(INDEX)
        rows = pa.array(np.arange(len(table), dtype=np.int64))
        files = pa.array(np.full(len(table), number, np.int64))
        tables.append(table.append_column("file", files).append_column("row", rows))
    return pa.concat_tables(tables)


def read_rows(
    uris: Sequence[str],
    files: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    columns: Sequence[str],
) -> pa.Table:
    """These columns of each (file, row), in the order asked; a row group is read once, alone."""
    parts: list[pa.Table] = []
    positions: list[npt.NDArray[np.int64]] = []
    for number in np.unique(files):
        wanted = np.flatnonzero(files == number)
        uri = uris[number]
        with layout.parquet_errors(uri), storage.open_input(uri) as stream:
            for part, inside in _pick(pq.ParquetFile(stream), rows[wanted], columns):
                parts.append(part)
                positions.append(wanted[inside])
    if not parts:
        return SCHEMA.empty_table().select(list(columns))
    back = np.argsort(np.concatenate(positions), kind="stable")
    return pa.concat_tables(parts).take(pa.array(back))


def decode(encoded: Sequence[bytes], spec: PrepareSpec) -> Items:
    source = source_of(spec)
    item = source.item(spec)
    items = item.empty(len(encoded))
    for slot, data in zip(items, encoded, strict=True):
        slot[...] = source.decode(data, item)
    return items


def _pick(
    file: pq.ParquetFile, rows: npt.NDArray[np.int64], columns: Sequence[str]
) -> Iterator[tuple[pa.Table, npt.NDArray[np.int64]]]:
    """(rows of one group, their positions among those asked) for each row group that has any."""
    start = 0
    for group in range(file.num_row_groups):
        stop = start + file.metadata.row_group(group).num_rows
        inside = np.flatnonzero((rows >= start) & (rows < stop))
        if len(inside):
            table = file.read_row_group(group, list(columns))
            yield table.take(pa.array(rows[inside] - start)), inside
        start = stop


def _table(batch: list[Input], spec: PrepareSpec) -> pa.Table:
    source = source_of(spec)
    good = [one.item for one in batch if one.item is not None]
    items = np.stack(good) if good else source.item(spec).empty(0)
    prints = fingerprint(items, source)
    encoded = source.encode(items, source.item(spec))
    where = np.cumsum([one.item is not None for one in batch]) - 1
    place = [None if one.item is None else int(w) for one, w in zip(batch, where, strict=True)]

    def spread(values: Sequence[object]) -> list[object]:
        return [None if at is None else values[at] for at in place]

    return pa.table(
        [
            [one.id for one in batch],
            [one.label for one in batch],
            [one.test for one in batch],
            pa.array([lot(spec.seed, one.id) for one in batch], pa.uint64()),
            [one.reason or None for one in batch],
            spread(prints.content),
            pa.array(spread(prints.phash.tolist()), pa.uint64()),
            spread([thumbnail.tobytes() for thumbnail in prints.thumbnail]),
            spread(prints.mean.tolist()),
            spread(_sums(items).tolist()),
            spread([len(data) for data in encoded]),
            [one.notes.digest() for one in batch],
            [one.notes.licence for one in batch],
            [one.notes.creator for one in batch],
            [one.notes.source for one in batch],
            [one.notes.consent for one in batch],
            [one.notes.caption for one in batch],
            spread(encoded),
        ],
        schema=SCHEMA,
    )


def _sums(items: Items) -> npt.NDArray[np.int64]:
    """(N, 2C): of each channel the sum of its values, then of their squares."""
    count = math.prod(items.shape[1:-1])
    wide = items.reshape(len(items), count, items.shape[-1]).astype(np.int64)
    sums: npt.NDArray[np.int64] = np.concatenate(
        [wide.sum(axis=1), np.square(wide).sum(axis=1)], axis=1
    )
    return sums


def _count(uri: str) -> ChunkDone:
    with layout.parquet_errors(uri), storage.open_input(uri) as stream:
        reasons = pq.ParquetFile(stream).read(["reason"]).column(0)
    return ChunkDone(len(reasons), len(reasons) - reasons.null_count)


def _batch_items(spec: PrepareSpec) -> int:
    """Fingerprints and sums need many times the items' own memory, so few at a time."""
    return max(1, min(2048, _BATCH_BYTES // source_of(spec).item(spec).size_bytes))


def _batched(items: Iterator[Input], size: int) -> Iterator[list[Input]]:
    while batch := list(itertools.islice(items, size)):
        yield batch
