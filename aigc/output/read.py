"""Reading a content set back: single items, or all rows as a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aigc import storage
from aigc.errors import JobError, SpecError
from aigc.generation.plan import Job
from aigc.modalities.image import decode
from aigc.types import Labels, ShardRecord, UInt8Images

_COLUMNS = ["id", "index", "image", "label"]


@dataclass(frozen=True)
class Rows:
    """Consecutive rows of one file: ids, indices (N,), image files and class indices (N,)."""

    ids: list[str]
    indices: np.ndarray[tuple[int], np.dtype[np.int64]]
    files: list[bytes]
    labels: Labels | None


def rows(out: str, record: ShardRecord) -> Iterator[Rows]:
    """One committed shard, a row group at a time.

    Raises:
        JobError: the file is gone or is no Parquet file.
    """
    uri = storage.join(out, record.file)
    try:
        with storage.open_input(uri) as source:
            parquet = pq.ParquetFile(source)
            for group in range(parquet.num_row_groups):
                yield _rows(parquet.read_row_group(group, columns=_COLUMNS))
    except (pa.ArrowInvalid, OSError) as error:
        raise JobError(f"{uri}: not readable as Parquet: {error}") from None


def items(
    out: str, job: Job, records: Mapping[int, ShardRecord], wanted: Iterable[int]
) -> dict[int, bytes]:
    """The stored image files of some item indices.

    Raises:
        SpecError: an index outside the job. JobError: its shard is not made yet.
    """
    indices = list(wanted)
    require_items(job, indices)
    by_shard: dict[int, set[int]] = {}
    for index in indices:
        by_shard.setdefault(index // job.shard_items, set()).add(index)
    found: dict[int, bytes] = {}
    for shard, inside in sorted(by_shard.items()):
        if shard not in records:
            raise JobError(f"item {min(inside)}: not generated yet; finish the job first")
        for part in rows(out, records[shard]):
            for position, index in enumerate(part.indices.tolist()):
                if index in inside:
                    found[index] = part.files[position]
    return found


def require_items(job: Job, indices: Iterable[int]) -> None:
    """Raises SpecError when an index is not the job's."""
    for index in indices:
        if not 0 <= index < job.count:
            raise SpecError(f"item {index}: the set has items 0 to {job.count - 1}")


def first_of_each_label(job: Job, each: int) -> list[tuple[str, list[int]]]:
    """(label name, its first `each` item indices) for every label the job makes.

    An unconditional job gives ten groups without a name.
    """
    if not job.pattern:
        starts = range(0, min(10 * each, job.count), each)
        return [("", list(range(start, min(start + each, job.count)))) for start in starts]
    groups = []
    for label in dict.fromkeys(job.pattern):
        places = [at for at, found in enumerate(job.pattern) if found == label]
        rounds = range(-(-each // len(places)))
        indices = [turn * len(job.pattern) + at for turn in rounds for at in places][:each]
        groups.append((job.labels[label], [index for index in indices if index < job.count]))
    return groups


def sample_by_label(
    out: str, job: Job, records: Mapping[int, ShardRecord], each: int
) -> tuple[UInt8Images, list[str]]:
    """Pixels of `first_of_each_label`, `each` a row, and the rows' names.

    Rows with fewer items end in blank cells.
    """
    groups = first_of_each_label(job, each)
    files = items(out, job, records, [index for _, indices in groups for index in indices])
    sheet = np.full((len(groups) * each, job.height, job.width, job.channels), 255, dtype=np.uint8)
    for row, (_, indices) in enumerate(groups):
        for column, index in enumerate(indices):
            sheet[row * each + column] = decode(files[index], job.channels)
    return sheet, [name for name, _ in groups]


def difference(made: bytes, stored: bytes, job: Job) -> str:
    """How far two image files of one item are apart, in grey levels of 0..255."""
    a, b = decode(made, job.channels).astype(int), decode(stored, job.channels).astype(int)
    if a.shape != b.shape:
        return f"made again it is {a.shape}, stored {b.shape}"
    gap = np.abs(a - b)
    return (
        f"made again it differs in {np.mean(gap > 0):.1%} of its values, by at most {gap.max()}; "
        f"the set was made on {job.device} in {job.precision}"
    )


def _rows(table: pa.Table) -> Rows:
    label = table["label"]
    return Rows(
        ids=table["id"].to_pylist(),
        indices=table["index"].to_numpy(),
        files=[image["bytes"] for image in table["image"].to_pylist()],
        labels=None if label.null_count else label.to_numpy(),
    )
