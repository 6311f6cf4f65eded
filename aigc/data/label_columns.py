"""The label columns of a source's Parquet files, brought to one list of classes by their names."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aigc.data import archives, label_cells
from aigc.data.classes import distinct, natural, require_few
from aigc.data.label_cells import Spellings
from aigc.data.layout import parquet_errors
from aigc.errors import DataError, listed
from aigc.modalities.base import RejectError
from aigc.specs import PrepareSpec

_BATCH = 65536


@dataclass(frozen=True)
class LabelColumn:
    """Of one file: what a cell of its label column means."""

    uri: str
    kind: str
    """names: text or true and false; indices: numbers of the file's own class names; numbers:
    plain ones."""
    names: tuple[str, ...] = ()
    """Of indices."""
    spelled: dict[str, str] | None = None
    """The class by the spelling of a cell, for all but indices."""

    def name(self, cell: Any) -> str | None:
        """The class that a cell names; None when it names none."""
        if cell is None:
            return None
        if self.kind == "indices":
            return self.names[cell] if 0 <= cell < len(self.names) else None
        return (self.spelled or {}).get(label_cells.text_of(cell)) or None


@dataclass(frozen=True)
class Labels:
    """The classes of all files, what the cells of each file mean, and how classes were spelled."""

    names: tuple[str, ...] = ()
    columns: tuple[LabelColumn, ...] = ()
    spellings: Spellings = field(default_factory=Spellings)


def read(uris: Sequence[str], schemas: Sequence[pa.Schema], spec: PrepareSpec) -> Labels:
    """The labels of all files.

    Classes are those that the files declare (Hugging Face's ClassLabel), in the order of the first
    file that names them, then those that occur as text or plain numbers, sorted.

    Raises:
        DataError: a column of another kind, plain numbers next to names, numbers below 0 or with a
            fraction, or more classes than a data set can have.
    """
    if not spec.label_column:
        return Labels()
    spellings = Spellings()
    columns = [
        _column(uri, schema, spec.label_column, spellings)
        for uri, schema in zip(uris, schemas, strict=True)
    ]
    cells, below = _all_cells(columns, spec.label_column)
    name_of = label_cells.namer(cells, below)
    spelled = {cell: name_of(cell) for cell in cells}
    for cell, name in spelled.items():
        spellings.add(cell, name, cells[cell])
    declared = dict.fromkeys(name for column in columns for name in column.names)
    seen = {*spelled.values()} - {""}
    _require_one_kind(columns, [*declared, *seen], spec.label_column)
    columns = [
        column if column.kind == "indices" else replace(column, spelled=spelled)
        for column in columns
    ]
    return Labels((*declared, *natural(seen - declared.keys())), tuple(columns), spellings)


def _all_cells(columns: Sequence[LabelColumn], name: str) -> tuple[Counter[str], str]:
    """The spellings in all files, and where one is that may be a number below 0."""
    cells: Counter[str] = Counter()
    below = ""
    for column in columns:
        where = f"{column.uri}: column {name!r}"
        for found in _cells(column, name) if column.kind != "indices" else ():
            cells += found
            require_few(len(cells), where, sorted(cells))
            below = where if any(cell.strip()[:1] == "-" for cell in found) else below
    return cells, below


def is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _column(uri: str, schema: pa.Schema, name: str, spellings: Spellings) -> LabelColumn:
    kind = schema.field(name).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if is_text(kind) or pa.types.is_boolean(kind):
        return LabelColumn(uri, "names")
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return LabelColumn(uri, "numbers")
    if not pa.types.is_integer(kind):
        raise DataError(f"{uri}: column {name!r} is {kind}; expected integers or text")
    declared = _declared(schema, name)
    if declared:
        where = f"{uri}: the class names of column {name!r}"
        names = distinct(declared, where)
        for spelled, known in zip(declared, names, strict=True):
            spellings.add(spelled, known)
        return LabelColumn(uri, "indices", names)
    return LabelColumn(uri, "numbers")


def _declared(schema: pa.Schema, column: str) -> list[str]:
    """Names from Hugging Face's schema metadata, where there are any."""
    raw = (schema.metadata or {}).get(b"huggingface")
    try:
        names = json.loads(raw)["info"]["features"][column]["names"] if raw else []
        if isinstance(names, dict):  # as data cards have it: {"0": "cat", "1": "dog"}
            names = [names[str(number)] for number in range(len(names))]
    except (ValueError, KeyError, TypeError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _cells(column: LabelColumn, name: str) -> Iterator[Counter[str]]:
    """The spellings of the cells in each batch of a file, and in how many rows each is.

    Raises:
        DataError: a number with a fraction, or text that is no name.
    """
    where = f"{column.uri}: column {name!r}"
    with parquet_errors(column.uri), archives.open_input(column.uri) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(_BATCH, columns=[name]):
            values = batch.column(0).drop_null()
            if pa.types.is_float16(values.type):
                values = values.cast(pa.float32())
            values, counts = pc.value_counts(values).flatten()
            cells = values.to_pylist()
            if column.kind == "numbers":
                _require_whole(cells, where)
            yield _spelled(cells, counts.to_pylist(), where)


def _spelled(cells: Sequence[Any], counts: Sequence[int], where: str) -> Counter[str]:
    found: Counter[str] = Counter()
    try:
        for cell, count in zip(cells, counts, strict=True):
            found[label_cells.text_of(cell)] += count
    except RejectError as reason:
        raise DataError(f"{where}: {reason}") from None
    return found


def _require_whole(cells: Sequence[Any], where: str) -> None:
    numbers = [cell for cell in cells if not math.isnan(cell)]
    if fraction := [cell for cell in numbers if math.isinf(cell) or cell != int(cell)]:
        raise DataError(
            f"{where} has the label {fraction[0]}; labels are names or whole numbers: choose "
            "another column as label_column, or '' for none"
        )


def _require_one_kind(columns: list[LabelColumn], names: Sequence[str], column: str) -> None:
    """Plain numbers may be an index into another file's names, or not."""
    plain = [one for one in columns if one.kind == "numbers"]
    named = [one for one in columns if one.kind != "numbers"]
    if plain and named and not all(name.isdecimal() for name in names):
        others = [name for name in names if not name.isdecimal()]
        raise DataError(
            f"{plain[0].uri}: column {column!r} holds numbers without names, that of "
            f"{named[0].uri} holds names ({listed(others, 3)}); write names in both"
        )
