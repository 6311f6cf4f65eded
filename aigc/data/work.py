"""First pass: a chunk of a source becomes one Parquet file of clean images and their fingerprints.

The work files live below the destination while the set is being made. One appears whole or not at
all, so a chunk whose file exists is done.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import imagecodecs
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from aigc import storage
from aigc.data import layout
from aigc.data.fingerprints import fingerprint
from aigc.data.sources import Chunk, Input, lot
from aigc.modalities import image as images
from aigc.specs import PrepareSpec
from aigc.types import UInt8Images

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
        ("caption", pa.string()),
        ("image", pa.binary()),
    ]
)
_BATCH_BYTES = 8 * 2**20
INDEX = [name for name in SCHEMA.names if name not in ("image", "caption")]


@dataclass(frozen=True)
class ChunkTask:
    """One unit of the first pass, complete in itself."""

    chunk: Chunk
    spec: PrepareSpec
    out: str
    """URI of the work file."""


@dataclass(frozen=True)
class ChunkDone:
    items: int
    rejects: int


def decode_chunk(task: ChunkTask) -> ChunkDone:
    """Write the task's work file, unless it is there; memory is bounded by one batch of images."""
    if storage.exists(task.out):
        return _count(task.out)
    scratch = storage.scratch(task.out)
    total = rejects = 0
    try:
        with (
            layout.parquet_errors(task.out),
            pq.ParquetWriter(scratch, SCHEMA, compression="none") as writer,
        ):
            for batch in _batched(task.chunk.items(task.spec), _batch_items(task.spec)):
                writer.write_table(_table(batch, task.spec))
                total += len(batch)
                rejects += sum(item.pixels is None for item in batch)
        storage.upload(scratch, task.out)
    finally:
        scratch.unlink(missing_ok=True)
    return ChunkDone(total, rejects)


def read_index(uris: Sequence[str]) -> pa.Table:
    """Everything but images and captions of all work files, with columns `file` and `row`."""
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


def decode(encoded: Sequence[bytes], spec: PrepareSpec) -> UInt8Images:
    pixels = np.empty((len(encoded), *spec.shape), np.uint8)
    for slot, data in zip(pixels, encoded, strict=True):
        slot[...] = imagecodecs.png_decode(data).reshape(spec.shape)
    return pixels


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
    good = [item.pixels for item in batch if item.pixels is not None]
    pixels = np.stack(good) if good else np.empty((0, *spec.shape), np.uint8)
    prints = fingerprint(pixels)
    encoded = images.encode(pixels, "png")
    wide = pixels.astype(np.int64)
    sums = np.concatenate([wide.sum(axis=(1, 2)), np.square(wide).sum(axis=(1, 2))], axis=1)
    where = np.cumsum([item.pixels is not None for item in batch]) - 1
    place = [None if item.pixels is None else int(w) for item, w in zip(batch, where, strict=True)]

    def spread(values: Sequence[object]) -> list[object]:
        return [None if at is None else values[at] for at in place]

    return pa.table(
        [
            [item.id for item in batch],
            [item.label for item in batch],
            [item.test for item in batch],
            pa.array([lot(spec.seed, item.id) for item in batch], pa.uint64()),
            [item.reason or None for item in batch],
            spread(prints.content),
            pa.array(spread(prints.phash.tolist()), pa.uint64()),
            spread([thumbnail.tobytes() for thumbnail in prints.thumbnail]),
            spread(prints.mean.tolist()),
            spread(sums.tolist()),
            spread([len(data) for data in encoded]),
            [item.notes.digest() for item in batch],
            [item.notes.licence for item in batch],
            [item.notes.creator for item in batch],
            [item.notes.caption for item in batch],
            spread(encoded),
        ],
        schema=SCHEMA,
    )


def _count(uri: str) -> ChunkDone:
    with layout.parquet_errors(uri), storage.open_input(uri) as stream:
        reasons = pq.ParquetFile(stream).read(["reason"]).column(0)
    return ChunkDone(len(reasons), len(reasons) - reasons.null_count)


def _batch_items(spec: PrepareSpec) -> int:
    """Fingerprints and sums need many times the pixels' own memory, so few at a time."""
    return max(1, min(2048, _BATCH_BYTES // spec.image_bytes))


def _batched(items: Iterator[Input], size: int) -> Iterator[list[Input]]:
    while batch := list(itertools.islice(items, size)):
        yield batch
