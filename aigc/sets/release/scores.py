"""Histograms of the scores that a set keeps of its items: realism, and safety."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from aigc import storage
from aigc.job.plan import Job
from aigc.output import webdataset
from aigc.output.writers import SUFFIX
from aigc.types import ShardRecord

_SHARDS, _TARS = 32, 8
"""Read at most, spread evenly; items of a tar file cannot be passed over."""
_MOST_VALUES = 2_000_000
_BINS = 40
_BUFFER_BYTES = 2**20


@dataclass(frozen=True)
class ScoreColumn:
    """A column of scores: its name, what it says, and the gate that has its threshold."""

    name: str
    title: str
    note: str
    gate: str


COLUMNS = (
    ScoreColumn("safety", "Safety", "0 safe to 1 unsafe, by the classifier of the gate", "safety"),
    ScoreColumn("score", "Realism", "higher is more realistic", "realism"),
)


@dataclass(frozen=True)
class ScoreHistogram:
    column: ScoreColumn
    edges: Sequence[float]
    """(B + 1,)."""
    counts: Sequence[int]
    items: int
    """Whose scores were read, of all that the set has."""
    threshold: float | None
    """Of the gate, if it has one."""
    beyond: int
    """Items on the wrong side of the threshold, which were delivered."""


def histograms(out: str, job: Job, records: Mapping[int, ShardRecord]) -> list[ScoreHistogram]:
    """Of every column of scores that the set has; some shards are read."""
    values = _values(out, job, records)
    found = []
    for column in COLUMNS:
        scores = values.get(column.name, np.empty(0, np.float32))
        scores = scores[np.isfinite(scores)]
        if len(scores):
            found.append(_histogram(column, scores, job))
    return found


def _histogram(column: ScoreColumn, scores: npt.NDArray[np.float32], job: Job) -> ScoreHistogram:
    bounded = column.name == "safety"
    counts, edges = np.histogram(scores, _BINS, (0.0, 1.0) if bounded else None)
    threshold = getattr(getattr(job.gates, column.gate, None), "threshold", None)
    wrong = 0
    if threshold is not None:
        wrong = int((scores >= threshold if bounded else scores < threshold).sum())
    sides = edges.tolist(), counts.tolist()
    return ScoreHistogram(column, *sides, len(scores), threshold, wrong)


def _values(
    out: str, job: Job, records: Mapping[int, ShardRecord]
) -> dict[str, npt.NDArray[np.float32]]:
    """By column, of shards spread evenly over the set."""
    parts: dict[str, list[npt.NDArray[np.float32]]] = {column.name: [] for column in COLUMNS}
    read = 0
    is_tar = job.writer == "webdataset"
    for number in sorted(records)[:: max(1, len(records) // (_TARS if is_tar else _SHARDS))]:
        uri = storage.join(out, records[number].file)
        with storage.open_input(uri) as source:
            found = _of_tar(source) if uri.endswith(SUFFIX["webdataset"]) else _of_parquet(source)
        for name, values in found.items():
            parts[name].append(values)
        read += records[number].rows
        if read >= _MOST_VALUES or not found:
            break
    return {name: np.concatenate(found) for name, found in parts.items() if found}


def _of_parquet(source: pa.NativeFile) -> dict[str, npt.NDArray[np.float32]]:
    file = pq.ParquetFile(source)
    names = [one.name for one in COLUMNS if _is_score(file.schema_arrow, one.name)]
    table = file.read(columns=names) if names else None
    return {name: _floats(table[name]) for name in names} if table is not None else {}


def _is_score(schema: pa.Schema, name: str) -> bool:
    return name in schema.names and pa.types.is_floating(schema.field(name).type)


def _floats(column: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    values: npt.NDArray[np.float32] = column.to_numpy().astype(np.float32)
    return values


def _of_tar(source: pa.NativeFile) -> dict[str, npt.NDArray[np.float32]]:
    file = cast(IO[bytes], io.BufferedReader(source, _BUFFER_BYTES))
    documents = (document for document, _, _ in webdataset.read_items(file, lambda index: True))
    found: dict[str, list[float]] = {}
    for name, value in _numbers(documents):
        found.setdefault(name, []).append(value)
    return {name: np.array(values, np.float32) for name, values in found.items()}


def _numbers(documents: Iterator[dict[str, Any]]) -> Iterator[tuple[str, float]]:
    for document in documents:
        for column in COLUMNS:
            value = document.get(column.name)
            if isinstance(value, float):
                yield column.name, value
