"""Tables of users by column, each row with its number, and the rows that cannot be read."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from aigc.errors import SpecError
from aigc.job.briefs.fields import Reject
from aigc.job.briefs.values import given
from aigc.specs import BriefColumns

_MOST_BLANK = 2**21
_MOST_ABOVE = 10
"""Rows in which a header is looked for."""

Column: TypeAlias = pa.ChunkedArray | list[Any]


@dataclass
class Worksheet:
    """Columns as the user wrote them, the number of each row, and the rows that cannot be read.

    Attributes:
        blank: rows without any content, which are in neither.
        comma: whether numbers may be written with a decimal comma.
        notes: lines for the user about how the file was read.
    """

    columns: Mapping[str, Column]
    numbers: Sequence[int]
    rejects: list[Reject] = field(default_factory=list)
    blank: int = 0
    comma: bool = False
    notes: list[str] = field(default_factory=list)

    def values(self, name: str) -> Iterator[Any]:
        """A column as Python values, a chunk at a time."""
        column = self.columns[name]
        if isinstance(column, list):
            yield from column
        else:
            for chunk in column.chunks:
                yield from chunk.to_pylist()

    def table(self, names: Iterable[str]) -> pa.Table:
        """Some columns, their texts normalised to NFC."""
        return pa.table({name: _normalised(_arrow(self.columns[name])) for name in names})


def require_names(names: Sequence[str], uri: str) -> None:
    if not names:
        raise SpecError(f"briefs = {uri}: empty; expected a header and one row a brief")
    for at, name in enumerate(names):
        if not name:
            raise SpecError(f"briefs = {uri}: column {at + 1} has no name; give it one")
        if name in names[:at]:
            raise SpecError(f"briefs = {uri}: two columns are named {name!r}; rename one")


def require_header(uri: str, rows: Iterable[tuple[int, Sequence[Any]]]) -> None:
    """Raises SpecError where not the first of `rows` but one soon after it holds the names of
    fields, as below a title. Each row has its number, by which the message names it."""
    near = list(itertools.islice(rows, _MOST_ABOVE))
    if not near or _names_in(near[0][1]):
        return
    first, *others = near
    for number, cells in others:
        if len(found := _names_in(cells)) > 1:
            title = next((str(cell) for cell in first[1] if given(cell) is not None), "")
            raise SpecError(
                f"briefs = {uri}: row {first[0]} is a title ({title[:40]!r}), row {number} looks "
                f"like the header ({', '.join(found)}); delete the rows above it"
            )


def _names_in(cells: Sequence[Any]) -> list[str]:
    """The cells that are names of a brief's fields."""
    texts = [str(cell).strip().lower().replace(" ", "_") for cell in cells if cell is not None]
    return [name for name in dict.fromkeys(texts) if name in BriefColumns.model_fields]


def require_few_blank(count: int, uri: str) -> None:
    """Raises SpecError for more rows than any spreadsheet has: they would be read for hours."""
    if count > _MOST_BLANK:
        raise SpecError(
            f"briefs = {uri}: more than {_MOST_BLANK:,} rows without content; delete them"
        )


def is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _normalised(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.utf8_normalize(column, "NFC") if is_text(column.type) else column


def _arrow(column: Column) -> pa.ChunkedArray:
    if not isinstance(column, list):
        return column
    try:
        array = pa.array(column)
    except (pa.ArrowException, OverflowError):
        array = None
    if array is None or _unwritable(array.type):
        array = pa.array([None if value is None else _json(value) for value in column], pa.string())
    return pa.chunked_array([array])


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _unwritable(kind: pa.DataType) -> bool:
    """Whether Parquet cannot hold it: null alone, or a struct without fields, at any depth."""
    if pa.types.is_null(kind):
        return True
    inner = [kind.field(at).type for at in range(kind.num_fields)]
    return (pa.types.is_struct(kind) and not inner) or any(map(_unwritable, inner))
