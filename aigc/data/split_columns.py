"""The column of splits in Parquet files: what each row is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from aigc.data import archives
from aigc.data.layout import parquet_errors
from aigc.data.table_columns import split_cell, split_column, split_role
from aigc.errors import DataError
from aigc.modalities.prepare_spec import Role
from aigc.specs import PrepareSpec

_BATCH = 65536


@dataclass(frozen=True)
class SplitColumn:
    """Of one file: the role of each row."""

    file_role: Role
    """The role of a row if the file has no column of splits, or the cell is empty."""
    name: str = ""
    """Of the column; empty when there is none."""
    cells: Mapping[str, Role | None] = field(default_factory=dict)
    """The role that each cell means; None for an empty cell."""
    rows: Mapping[Role, int] = field(default_factory=dict)
    """How many rows have each role."""

    def role(self, cell: Any) -> Role:
        return self.cells.get(split_cell(cell)) or self.file_role


def read(
    uris: Sequence[str],
    heads: Sequence[pq.FileMetaData],
    file_roles: Sequence[Role],
    spec: PrepareSpec,
) -> list[SplitColumn]:
    """The splits of all files.

    Raises:
        DataError: a cell names no known split, or by their cells all rows are to test on.
    """
    splits = [
        _read(uri, head, role, spec)
        for uri, head, role in zip(uris, heads, file_roles, strict=True)
    ]
    roles = {role for one in splits for role in one.rows}
    if any(one.name for one in splits) and roles and "train" not in roles:
        raise DataError(
            f"{spec.source}: no row is to train on by column "
            f"{next(one.name for one in splits if one.name)!r}; say with splits which are"
        )
    return splits


def _read(uri: str, head: pq.FileMetaData, file_role: Role, spec: PrepareSpec) -> SplitColumn:
    name = split_column(head.schema.to_arrow_schema().names, spec)
    if not name:
        return SplitColumn(file_role, rows={file_role: head.num_rows} if head.num_rows else {})
    counts = _counts(uri, name)
    cells = {cell: split_role(cell, f"{uri}: column {name!r}", spec) for cell in counts}
    rows: Counter[Role] = Counter()
    for cell, count in counts.items():
        rows[cells[cell] or file_role] += count
    return SplitColumn(file_role, name, cells, rows)


def _counts(uri: str, name: str) -> Counter[str]:
    """How many rows have each cell."""
    found: Counter[str] = Counter()
    with parquet_errors(uri), archives.open_input(uri) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(_BATCH, columns=[name]):
            try:
                values, counts = pc.value_counts(batch.column(0)).flatten()
            except NotImplementedError:
                raise DataError(
                    f"{uri}: column {name!r} is {batch.column(0).type}; expected text, or "
                    "--set 'splits={}' to leave the column unread"
                ) from None
            for cell, count in zip(values.to_pylist(), counts.to_pylist(), strict=True):
                found[split_cell(cell)] += count
    return found


def cells(splits: Sequence[SplitColumn]) -> dict[str, Role | None]:
    """The role that each cell means, over all files."""
    return {cell: role for one in splits for cell, role in one.cells.items()}
