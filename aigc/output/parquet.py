"""Rows of one shard into one Parquet file, streamed: memory stays at one row group."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_BYTES = 8 * 2**20
_READ_BYTES = 2**20
_ALL_DIFFERENT = ("id", "index", "candidate", "file", "sha256")


class ParquetWriter:
    """Collects batches into row groups of about eight megabytes."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer
        self._pending: list[pa.RecordBatch] = []
        self._pending_bytes = 0

    def write(self, batch: pa.RecordBatch) -> None:
        self._pending.append(batch)
        self._pending_bytes += batch.nbytes
        if self._pending_bytes >= ROW_GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._pending:
            table = pa.Table.from_batches(self._pending).unify_dictionaries()
            self._writer.write_table(table, row_group_size=table.num_rows)
            self._pending, self._pending_bytes = [], 0


@contextmanager
def open_writer(path: Path, schema: pa.Schema) -> Iterator[ParquetWriter]:
    """A writer for the local file `path`; the file is complete once the block is left.

    Encoded pixels hardly compress again, but the label that each image file carries does.
    """
    repeating = [field.name for field in schema if _repeats(field)]
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=repeating) as parquet:
        writer = ParquetWriter(parquet)
        yield writer
        writer.flush()


def file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _repeats(field: pa.Field) -> bool:
    """Whether a column's values come again and again, so that a dictionary saves space."""
    kind = field.type
    fits = pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_integer(kind)
    return fits and field.name not in _ALL_DIFFERENT
