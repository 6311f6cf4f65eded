"""Second pass: the rows that stay, in shuffled order, as the Parquet shards of the set."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from aigc import storage
from aigc.data import layout, work
from aigc.data.kinds import source_of
from aigc.data.sources import RawSource
from aigc.modalities import Source
from aigc.specs import PrepareSpec
from aigc.types import Json

Ints = npt.NDArray[np.int64]
_GROUP_BYTES = 512 * 2**20
_ROW_GROUP_BYTES = 4 * 2**20


@dataclass(frozen=True)
class SplitRows:
    """Of the rows of one split: where each lies, how large it is encoded, and its random lot."""

    files: Ints
    rows: Ints
    size_bytes: Ints
    lots: npt.NDArray[np.uint64]


@dataclass(frozen=True)
class ShardTask:
    """One output file."""

    split: str
    number: int
    out: str
    work: tuple[str, ...]
    files: Ints
    rows: Ints
    row_group_rows: int
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    """Of `notes.COLUMNS`."""
    spec: PrepareSpec


def plan(
    split: str, spec: PrepareSpec, uris: tuple[str, ...], rows: SplitRows, source: RawSource
) -> list[ShardTask]:
    """The split's shards, each with its rows in their final order.

    Work files are taken in random order, as many at a time as fit into memory, and their rows
    shuffled together by lot: the whole set when it is small, else a fair mix of many files.
    """
    tasks: list[ShardTask] = []
    mean_bytes = max(1, int(rows.size_bytes.mean())) if len(rows.files) else 1
    per_group = int(np.clip(_ROW_GROUP_BYTES // mean_bytes, 64, 4096))
    shard_bytes = spec.shard_bytes
    for group in _groups(rows, max(shard_bytes, min(4 * shard_bytes, _GROUP_BYTES))):
        for part in _parts(rows.size_bytes[group], shard_bytes):
            chosen = group[part]
            number = len(tasks)
            uri = storage.join(spec.out, split, f"part-{number:05d}.parquet")
            files, where = np.unique(rows.files[chosen], return_inverse=True)
            sources = tuple(uris[file] for file in files)
            position = rows.rows[chosen]
            shape = (per_group, source.labels, source.columns, spec)
            tasks.append(ShardTask(split, number, uri, sources, where, position, *shape))
    return tasks


def write_shard(task: ShardTask) -> Json:
    """Write the task's file; returns what `dataset.json` says of it: rows, size, sha256 …"""
    kind = source_of(task.spec)
    columns = ["item", "label", "id", *task.columns]
    table = work.read_rows(task.work, task.files, task.rows, columns)
    ids, end = table.column("id"), kind.suffix
    paths = [id if id.lower().endswith(end) else f"{id}{end}" for id in ids.to_pylist()]
    encoded = table.column("item").combine_chunks()
    item = pa.StructArray.from_arrays(
        [encoded, pa.array(paths, pa.string())], fields=list(layout.ITEM)
    )
    feature = kind.feature(kind.item(task.spec))
    schema = layout.schema(kind.column, feature, task.labels, task.columns)
    scratch = storage.scratch(task.out)
    try:
        texts = [table.column(name) for name in task.columns]
        written = pa.table([item, table.column("label"), ids, *texts], schema=schema)
        # Small row groups let readers stream and skip.
        with layout.parquet_errors(task.out):
            pq.write_table(
                written,
                scratch,
                row_group_size=task.row_group_rows,
                compression=compression(kind, task.columns),
                write_page_index=True,
            )
        with scratch.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size_bytes = scratch.stat().st_size
        storage.upload(scratch, task.out)
    finally:
        scratch.unlink(missing_ok=True)
    full, rest = divmod(len(task.rows), task.row_group_rows)
    return {
        "split": task.split,
        "file": f"{task.split}/part-{task.number:05d}.parquet",
        "rows": len(task.rows),
        "size_bytes": size_bytes,
        "sha256": sha256,
        "row_groups": [task.row_group_rows] * full + [rest] * bool(rest),
    }


def compression(kind: Source, columns: tuple[str, ...]) -> dict[str, str]:
    """By column, of which `columns` are texts. Encoded items are compressed only where their own
    format does not do it."""
    own = "zstd" if kind.compresses else "none"
    others = dict.fromkeys((f"{kind.column}.path", "label", "id", *columns), "zstd")
    return {f"{kind.column}.bytes": own, **others}


def _groups(rows: SplitRows, limit_bytes: int) -> Iterator[Ints]:
    """Row numbers of whole work files up to the limit, shuffled together."""
    order = np.random.default_rng(len(rows.files)).permutation(np.unique(rows.files))
    sizes = np.bincount(rows.files, rows.size_bytes, minlength=int(rows.files.max(initial=0)) + 1)
    group = (np.cumsum(sizes[order]) - sizes[order]) // limit_bytes
    for number in np.unique(group):
        members = np.flatnonzero(np.isin(rows.files, order[group == number]))
        yield members[np.argsort(rows.lots[members], kind="stable")]


def _parts(size_bytes: Ints, shard_bytes: int) -> Iterator[slice]:
    """Cuts into files of nearly equal bytes, none much above `shard_bytes`."""
    ends = np.cumsum(size_bytes)
    count = max(1, -(-int(ends[-1]) // shard_bytes))
    cuts = np.searchsorted(ends, np.arange(1, count) * (ends[-1] / count)) + 1
    edges = [0, *cuts.tolist(), len(size_bytes)]
    for start, stop in itertools.pairwise(edges):
        if stop > start:
            yield slice(start, stop)
