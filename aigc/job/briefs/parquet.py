"""Parquet by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aigc.errors import SpecError
from aigc.job.briefs.fields import Reject
from aigc.job.briefs.files import reading
from aigc.job.briefs.sheets import Worksheet, is_text, require_names
from aigc.job.briefs.values import header_name

_OF_A_JOB = {"brief_id", "items", "first_index", "label_pattern", "codec"}
"""Columns of `_briefs.parquet` next to a finished set."""
_MOST_ROWS = 2**24
_UNHELD = (ValueError, OverflowError, pa.ArrowException)


def read_parquet(uri: str) -> Worksheet:
    """A value Python cannot hold rejects its row: text not UTF-8, a day beyond the year 9999."""
    with reading(uri) as stream:
        file = pq.ParquetFile(stream)
        if file.metadata.num_rows > _MOST_ROWS:
            raise SpecError(f"briefs = {uri}: more than {_MOST_ROWS:,} rows; split it")
        table = file.read()
        names = [header_name(name) for name in table.column_names]
        if {*names} >= _OF_A_JOB:
            raise SpecError(
                f"briefs = {uri}: the briefs of a job as they were understood, not those of a "
                "user; give the table that the job was made from"
            )
        require_names(names, uri)
        columns = {name: _plain(table.column(at)) for at, name in enumerate(names)}
    reasons = _unheld(columns)
    blank = {row for row in _blank(columns, len(table)) if row not in reasons}
    numbers: Sequence[int] = range(1, len(table) + 1)
    if reasons or blank:
        kept = [number for number in numbers if number not in reasons and number not in blank]
        rows = pa.array([number - 1 for number in kept], pa.int64())
        columns, numbers = {name: found.take(rows) for name, found in columns.items()}, kept
    rejects = [Reject(row, None, why) for row, why in reasons.items()]
    return Worksheet(columns, numbers, rejects, len(blank))


def _blank(columns: Mapping[str, pa.ChunkedArray], rows: int) -> set[int]:
    """Numbers of the rows in which every cell is null, empty text or not a number."""
    nothing = pa.chunked_array([pa.array([True] * rows, pa.bool_())])
    for column in columns.values():
        nothing = pc.and_(nothing, _is_nothing(column))
        if not pc.any(nothing).as_py():
            return set()
    return {row for row, empty in enumerate(nothing.to_pylist(), start=1) if empty}


def _is_nothing(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not is_text(column.type):
        return pc.is_null(column, nan_is_null=pa.types.is_floating(column.type))
    try:
        empty = pc.equal(pc.utf8_trim_whitespace(column), "")
    except pa.ArrowException:  # text that is not UTF-8 is content
        empty = pc.equal(pc.binary_length(column), 0)
    return pc.or_(pc.fill_null(empty, True), pc.is_null(column))


def _unheld(columns: Mapping[str, pa.ChunkedArray]) -> dict[int, str]:
    """Rows with a value that Python cannot hold, each with the reason."""
    reasons: dict[int, str] = {}
    for name, column in columns.items():
        try:
            _require_held(column)
        except _UNHELD:
            for row, value in enumerate(column, start=1):
                try:
                    value.as_py()
                except _UNHELD as error:
                    reasons.setdefault(row, f"{name}: cannot be read ({error})")
    return reasons


def _require_held(column: pa.ChunkedArray) -> None:
    kind = column.type
    if is_text(kind):
        column.validate(full=True)
    elif pa.types.is_temporal(kind) or pa.types.is_nested(kind):
        for chunk in column.chunks:
            chunk.to_pylist()


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without dictionaries, whose codes differ from file to file, and views, which Arrow cannot
    pick from yet."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}.get(kind, kind)
    return column.cast(plain)
