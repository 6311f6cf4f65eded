"""Row groups of a data set's Parquet files: the unit of reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from aigc import storage
from aigc.data import layout
from aigc.errors import DataError

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RowGroup:
    """One row group: rows `start` ≤ r < `start + rows` of a split."""

    uri: str
    group: int
    start: int
    rows: int
    size_bytes: int
    """Its share of the file's size."""


def read_block(block: RowGroup, columns: Sequence[str], rows: Ints | None = None) -> pa.Table:
    """Columns of all or some rows of a block.

    Raises:
        DataError: the file is damaged or not the one `dataset.json` speaks of.
        StorageError: it is missing or cannot be reached.
    """
    with layout.parquet_errors(block.uri), storage.open_input(block.uri) as stream:
        file = pq.ParquetFile(stream)
        table = file.read_row_group(block.group, list(columns))
    if len(table) != block.rows:
        raise DataError(f"{block.uri}: has other rows than dataset.json says; prepare it again")
    return table if rows is None else table.take(pa.array(rows))
