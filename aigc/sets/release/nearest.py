"""The nearest training item of each item of a finished set, as `nearest.parquet`.

The file is made once: its metadata say of which set and data it is. Memory is bounded by the index
of the training split and one batch of items, whatever the size of the set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from aigc import storage
from aigc.data.dataset import Dataset
from aigc.data.requested import spec_of
from aigc.errors import DataError, JobError
from aigc.evaluation.nearest import Levels, TrainingIndex
from aigc.job.plan import Job
from aigc.modalities import MODALITIES
from aigc.modalities.base import Items, RejectError
from aigc.sets import read
from aigc.sets.stored import StoredItem, StoredRows
from aigc.types import Json, Report, ShardRecord, silent

FILE = "nearest.parquet"
MEMORY_BYTES = 2 * 2**30
"""Of the index of training items; what is above it lies in files of the temporary folder."""
_FORMAT = "1"
_BATCH_ITEMS = 2048
_SCHEMA = pa.schema(
    [
        ("index", pa.int64()),
        ("training_index", pa.int64()),
        ("distance", pa.float32()),
        ("isolation", pa.float32()),
    ]
)
Bytes = dict[bytes, bytes]


@dataclass(frozen=True)
class NearestRows:
    """Of N items: their indices int64, the positions of their nearest training items int64, and
    `distances` and `isolation` float32, each (N,)."""

    indices: npt.NDArray[np.int64]
    nearest: npt.NDArray[np.int64]
    distances: npt.NDArray[np.float32]
    isolation: npt.NDArray[np.float32]


def write_nearest(
    where: str,
    out: str,
    job: Job,
    records: Mapping[int, ShardRecord],
    manifest: Json,
    dataset: Dataset,
    load: Callable[[], TrainingIndex],
    report: Report = silent,
) -> str:
    """`nearest.parquet` in `where`, of every item of the set at `out`; returns its URI.

    A row has the item's index, the training item's position in the stored order of the training
    split, the distance in levels and, of how isolated that neighbour is, the ratio of its distance
    to the mean of the next four. The last three are null for an item that cannot be brought into
    the shape of the training data, such as a silent sound. `load` is called only if the file is
    not there yet.

    Raises:
        JobError: an item is damaged. StorageError.
        DataError: the items differ in shape from the training data, which another version of aigc
            has prepared.
    """
    uri, metadata = storage.join(where, FILE), _metadata(manifest, dataset)
    if _is_there(uri, metadata):
        return uri
    index, fits = load(), _Fits(job, dataset)
    with storage.scratch_file(uri) as local:
        with pq.ParquetWriter(local, _SCHEMA.with_metadata(metadata), compression="zstd") as file:
            done = 0
            for rows in _searched(out, job, records, index, fits):
                file.write_table(rows)
                done += len(rows)
                report(done, job.count)
        storage.upload(local, uri)
    return uri


def read_nearest(uri: str) -> Iterator[NearestRows]:
    """The rows of such a file, some at a time; items that could not be compared are left out."""
    with storage.open_input(uri) as source:
        for batch in pq.ParquetFile(source).iter_batches(_BATCH_ITEMS * 64):
            there = batch.filter(batch["distance"].is_valid())
            yield NearestRows(*(there[name].to_numpy() for name in _SCHEMA.names))


class _Fits:
    """Brings items of a set into the shape of its training data, as raw files were."""

    def __init__(self, job: Job, dataset: Dataset) -> None:
        self._job, self._dataset = job, dataset
        self._kind = MODALITIES[dataset.modality].source
        self._spec: object = None

    def __call__(self, item: StoredItem) -> Items | None:
        """None for an item that cannot be brought into it."""
        values = item.values()
        delivered = self._job.delivery.delivered(self._job.form, item.format)
        if delivered == self._dataset.item:
            return values
        if self._spec is None:
            self._spec = self._read_spec()
        try:
            return self._kind.read(item.shown()[0], self._spec)
        except RejectError:
            return None

    def _read_spec(self) -> object:
        """How the training data was prepared; where it came from does not count."""
        dataset = self._dataset
        places = {"source": dataset.uri, "out": dataset.uri}
        values = {"modality": dataset.modality, **dataset.info.get("spec", {}), **places}
        try:
            return spec_of(dataset.modality).model_validate(values)
        except ValidationError:
            raise DataError(
                f"{dataset.uri}: prepared by another version of aigc, and the set's items "
                f"are not {dataset.kind.in_words(dataset.item)}; prepare the data again"
            ) from None


def _searched(
    out: str,
    job: Job,
    records: Mapping[int, ShardRecord],
    index: TrainingIndex,
    fits: _Fits,
) -> Iterator[pa.Table]:
    """Rows of the file, some at a time."""
    waiting: list[_Batch] = []
    for record in records.values():
        for rows in read.rows(out, job, record):
            for start in range(0, len(rows.ids), index.batch_items):
                places = range(start, min(start + index.batch_items, len(rows.ids)))
                waiting.append(_levels(out, job, rows, places, index, fits))
                if sum(len(one.indices) for one in waiting) >= _BATCH_ITEMS:
                    yield _table(waiting, index)
                    waiting = []
    if waiting:
        yield _table(waiting, index)


@dataclass(frozen=True)
class _Batch:
    """Indices of N items, whether each can be compared, and the levels (M, D) of those that can."""

    indices: npt.NDArray[np.int64]
    compared: npt.NDArray[np.bool_]
    levels: Levels | None


def _levels(
    out: str, job: Job, rows: StoredRows, places: range, index: TrainingIndex, fits: _Fits
) -> _Batch:
    try:
        fitted = [fits(rows.item(at, job)) for at in places]
    except ValueError as error:
        raise JobError(f"{out}: an item near {rows.ids[places[0]]} is damaged: {error}") from None
    compared = np.array([one is not None for one in fitted])
    there = [one for one in fitted if one is not None]
    levels = index.levels(np.stack(there)) if there else None
    return _Batch(rows.indices[places.start : places.stop], compared, levels)


def _table(waiting: list[_Batch], index: TrainingIndex) -> pa.Table:
    indices, compared = (
        np.concatenate([getattr(one, name) for one in waiting]) for name in ("indices", "compared")
    )
    nearest = np.full(len(indices), -1)
    distance, isolation = (np.full(len(indices), np.nan, np.float32) for _ in range(2))
    if parts := [one.levels for one in waiting if one.levels is not None]:
        near = index.search(np.concatenate(parts))
        nearest[compared], isolation[compared] = near.nearest, near.isolation
        distance[compared] = near.distances[:, 0]
    columns = [pa.array(values, mask=~compared) for values in (nearest, distance, isolation)]
    return pa.table([pa.array(indices), *columns], schema=_SCHEMA)


def _metadata(manifest: Json, dataset: Dataset) -> Bytes:
    said = {"format": _FORMAT, "content": manifest["content_digest"], "data": dataset.digest}
    return {f"aigc.{name}".encode(): value.encode() for name, value in said.items()}


def _is_there(uri: str, metadata: Bytes) -> bool:
    """Whether a whole file of the same set and data lies at `uri`."""
    if not storage.exists(uri):
        return False
    try:
        with storage.open_input(uri) as source:
            found = pq.ParquetFile(source).schema_arrow.metadata or {}
    except (pa.ArrowInvalid, OSError):
        return False
    return metadata.items() <= found.items()
