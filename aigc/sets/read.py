"""Reading a content set back, whatever its form: single items, or all rows as a stream."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import IO, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aigc import arrow, storage
from aigc.conditions.label import CLASS
from aigc.errors import JobError, SpecError
from aigc.job.keys import ATTEMPT, Ints
from aigc.job.plan import Job
from aigc.modalities.image import fit
from aigc.output import files, webdataset
from aigc.output import items as output
from aigc.output.writers import SUFFIX
from aigc.sets.stored import StoredItem, StoredRows
from aigc.types import Json, ShardRecord, UInt8Images

_COLUMNS = ["id", "index", "candidate", "seed", CLASS]
_BUFFER_BYTES = 2**20
_TAR_ITEMS, _TAR_BYTES = 1024, 8 * 2**20
_LOOSE_ITEMS = 32
"""Items with a file each that are held at a time."""
_CELL = 256
"""Pixels a side that a picture has at most on a sheet."""
_SHEET_LABELS, _SHEET_BYTES = 100, 64 * 2**20
"""Rows at most, and values of all pictures together, whatever the number of labels."""
_CHANNELS = 3
"""Values of a pixel, at most."""


def rows(
    out: str,
    job: Job,
    record: ShardRecord,
    wanted: Set[int] | None = None,
    *,
    with_files: bool = True,
) -> Iterator[StoredRows]:
    """One committed shard, some megabytes at a time; of `wanted` indices only, if given.

    Raises:
        JobError: the file cannot be read as what its name says.
        StorageError: the file, or one that it names, is gone.
    """
    uri = storage.join(out, record.file)
    is_tar = uri.endswith(SUFFIX["webdataset"])
    try:
        with storage.open_input(uri) as source:
            if is_tar:
                yield from _tar(source, job, wanted, with_files)
            else:
                yield from _parquet(source, out, job, wanted, with_files)
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        form = "a tar file" if is_tar else "Parquet"
        raise JobError(f"{uri}: not readable as {form}: {error}") from None


def items(
    out: str, job: Job, records: Mapping[int, ShardRecord], wanted: Iterable[int]
) -> dict[int, bytes]:
    """The stored files of some item indices; errors as of `stored`."""
    found = stored(out, job, records, wanted)
    return {index: item.file for index, item in found.items()}


def stored(
    out: str, job: Job, records: Mapping[int, ShardRecord], wanted: Iterable[int]
) -> dict[int, StoredItem]:
    """Some items of the set, by index.

    Raises:
        SpecError: an index outside the job. JobError: its shard is not made yet.
    """
    return dict(_each_stored(out, job, records, wanted))


def _each_stored(
    out: str, job: Job, records: Mapping[int, ShardRecord], wanted: Iterable[int]
) -> Iterator[tuple[int, StoredItem]]:
    """`stored`, one after the other, in order."""
    indices = list(wanted)
    require_items(job, indices)
    by_shard: dict[int, set[int]] = {}
    for index in indices:
        by_shard.setdefault(job.shard_of(index), set()).add(index)
    for shard, inside in sorted(by_shard.items()):
        if shard not in records:
            raise JobError(f"item {min(inside)}: not generated yet; finish the job first")
        for part in rows(out, job, records[shard], inside):
            for at, index in enumerate(part.indices.tolist()):
                yield index, part.item(at, job)


def attempts(
    out: str, job: Job, records: Mapping[int, ShardRecord], wanted: Iterable[int]
) -> tuple[Ints, Ints]:
    """Some item indices, sorted (N,), and the number (N,) of the attempt each was accepted in.

    Raises:
        As `stored`.
    """
    indices = sorted(set(wanted))
    require_items(job, indices)
    found = dict.fromkeys(indices, 0)
    if job.gates.any:
        for shard in {job.shard_of(index) for index in indices}:
            if shard not in records:
                raise JobError(f"{job.shard(shard)}: not generated yet; finish the job first")
            for part in rows(out, job, records[shard], set(indices)):
                number = (part.candidates // ATTEMPT).tolist()
                found.update(zip(part.indices.tolist(), number, strict=True))
    return np.array(indices, np.int64), np.array([found[index] for index in indices], np.int64)


def require_items(job: Job, indices: Iterable[int]) -> None:
    """Raises SpecError when an index is not the job's."""
    for index in indices:
        if not 0 <= index < job.count:
            raise SpecError(f"item {index}: the set has items 0 to {job.count - 1}")


def first_of_each_label(job: Job, each: int) -> list[tuple[str, list[int]]]:
    """(label name, its first `each` item indices) for every label the job makes.

    An unconditional job gives ten groups without a name. Made from briefs, the groups are up to
    ten stretches spread evenly over the set, named by their first item.
    """
    if job.briefs_digest is not None:
        starts = dict.fromkeys(job.count * part // 10 for part in range(10))
        ends = [*itertools.islice(starts, 1, None), job.count]
        return [
            (f"from {start:,}", list(range(start, min(start + each, end))))
            for start, end in zip(starts, ends, strict=True)
        ]
    if not job.names:
        runs = range(0, min(10 * each, job.count), each)
        return [("", list(range(start, min(start + each, job.count)))) for start in runs]
    groups = []
    pattern = job.pattern.tolist()
    for label in dict.fromkeys(pattern):
        places = [at for at, found in enumerate(pattern) if found == label]
        rounds = range(-(-each // len(places)))
        indices = [turn * len(pattern) + at for turn in rounds for at in places][:each]
        groups.append((job.names[label], [index for index in indices if index < job.count]))
    return groups


def sample_by_label(
    out: str, job: Job, records: Mapping[int, ShardRecord], each: int
) -> tuple[UInt8Images, list[str]]:
    """Pictures of `first_of_each_label`, `each` a row, and the rows' names.

    Pictures of other sizes are fitted into the cells; rows with fewer items end in blank ones, and
    what is not made yet is blank. When there are too many labels to show, a last, blank row says
    so.

    Raises:
        JobError: none of them is made.
    """
    groups = first_of_each_label(job, each)
    shown = groups[:_SHEET_LABELS]
    names = [name for name, _ in shown]
    if len(groups) > len(shown):
        names.append(f"the first {len(shown)} of {len(groups):,} labels")
    wanted = [index for _, indices in shown for index in indices if job.shard_of(index) in records]
    if not wanted:
        raise JobError(f"{out}: nothing to show is made yet; finish the job first")
    most = min(_CELL, max(1, math.isqrt(_SHEET_BYTES // (len(names) * each * _CHANNELS))))
    small = {index: item.look(most) for index, item in _each_stored(out, job, records, wanted)}
    sizes = [cell.shape for cell in small.values()]
    height, width, channels = (max(size[axis] for size in sizes) for axis in range(3))
    sheet = np.full((len(names) * each, height, width, channels), 255, dtype=np.uint8)
    for row, (_, indices) in enumerate(shown):
        for column, index in enumerate(indices):
            if index in small:
                sheet[row * each + column] = fit(small[index], height, width)
    return sheet, names


def _parquet(
    source: pa.NativeFile, out: str, job: Job, wanted: Set[int] | None, with_files: bool
) -> Iterator[StoredRows]:
    parquet = pq.ParquetFile(source, pre_buffer=True)
    names, held = parquet.schema_arrow.names, output.names(parquet.schema_arrow)
    needed = [*_COLUMNS, *_kept(job), *((*held, files.FILE) if with_files else ())]
    columns = [name for name in needed if name in names]
    for group in range(parquet.num_row_groups):
        if wanted is not None and not _may_hold(parquet.metadata.row_group(group), wanted):
            continue
        table = parquet.read_row_group(group, columns=columns)
        if wanted is not None:
            table = table.filter(arrow.flags([at in wanted for at in table["index"].to_pylist()]))
        if files.FILE not in columns:
            yield _rows(table, job, output.files(table, held) if with_files else [])
            continue
        for at in range(0, len(table), _LOOSE_ITEMS):
            part = table.slice(at, _LOOSE_ITEMS)
            yield _rows(part, job, files.read_files(out, part[files.FILE].to_pylist()))


def _may_hold(group: pq.RowGroupMetaData, wanted: Set[int]) -> bool:
    chunks = (group.column(at) for at in range(group.num_columns))
    known = next(chunk.statistics for chunk in chunks if chunk.path_in_schema == "index")
    return known is None or any(known.min <= index <= known.max for index in wanted)


def _tar(
    source: pa.NativeFile, job: Job, wanted: Set[int] | None, with_files: bool
) -> Iterator[StoredRows]:
    file = cast(IO[bytes], io.BufferedReader(source, _BUFFER_BYTES))
    found = webdataset.read_items(file, wanted.__contains__ if wanted else lambda _: True)
    while part := list(_some(found)):
        documents: list[Json] = [document for document, _, _ in part]
        names = [name for name in (*_COLUMNS, *_kept(job)) if name in documents[0]]
        table = pa.table({name: [document[name] for document in documents] for name in names})
        yield _rows(table, job, [data for _, data, _ in part if with_files])


def _some(items: Iterator[tuple[Json, bytes, Any]]) -> Iterator[tuple[Json, bytes, Any]]:
    """The next of `items`, until they are many or large together."""
    size_bytes = 0
    for item in itertools.islice(items, _TAR_ITEMS):
        yield item
        size_bytes += len(item[1])
        if size_bytes >= _TAR_BYTES:
            return


def _kept(job: Job) -> list[str]:
    """The columns that say how an item is delivered; sets made from briefs have them."""
    return [column.name for column in job.delivery.columns if column.kept]


def _rows(table: pa.Table, job: Job, found: list[bytes]) -> StoredRows:
    return StoredRows(
        ids=table["id"].to_pylist(),
        indices=arrow.values(table["index"]),
        candidates=arrow.values(table["candidate"]),
        seeds=arrow.values(table["seed"]),
        files=found,
        labels=None if table[CLASS].null_count else arrow.values(table[CLASS]),
        formats={
            name: table[name].to_pylist() for name in _kept(job) if name in table.column_names
        },
    )
