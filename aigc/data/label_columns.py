"""The label columns of a source's Parquet files, brought to one list of classes by their names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aigc import storage
from aigc.data.classes import class_name, distinct, natural, require_few
from aigc.data.layout import parquet_errors
from aigc.errors import DataError, listed
from aigc.specs import PrepareSpec

_BATCH = 65536


@dataclass(frozen=True)
class LabelColumn:
    """Of one file: what a cell of its label column means."""

    uri: str
    kind: str
    """names: text; indices: numbers of the file's own class names; numbers: plain ones."""
    names: tuple[str, ...] = ()
    """Of indices."""

    def name(self, cell: Any) -> str | None:
        """The class that a cell names; None when it names none."""
        if cell is None:
            return None
        if self.kind == "indices":
            return self.names[cell] if 0 <= cell < len(self.names) else None
        return class_name(str(cell)) or None


def read(
    uris: Sequence[str], schemas: Sequence[pa.Schema], spec: PrepareSpec
) -> tuple[tuple[str, ...], list[LabelColumn]]:
    """The classes of all files, and what the cells of each file mean.

    Classes are those that the files declare (Hugging Face's ClassLabel), in the order of the first
    file that names them, then those that occur as text or plain numbers, sorted.

    Raises:
        DataError: a column of another kind, plain numbers next to names, numbers below 0, or more
            classes than a data set can have.
    """
    if not spec.label_column:
        return (), []
    columns = [
        _column(uri, schema, spec.label_column) for uri, schema in zip(uris, schemas, strict=True)
    ]
    names = dict.fromkeys(name for column in columns for name in column.names)
    seen: set[str] = set()
    for column in columns:
        if column.kind != "indices":
            for found in _cells(column, spec.label_column):
                seen |= found
                require_few(len(seen), f"{column.uri}: column {spec.label_column!r}", sorted(seen))
    _require_one_kind(columns, [*names, *seen], spec.label_column)
    return (*names, *natural(seen - names.keys())), columns


def is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _column(uri: str, schema: pa.Schema, name: str) -> LabelColumn:
    kind = schema.field(name).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if is_text(kind):
        return LabelColumn(uri, "names")
    if not pa.types.is_integer(kind):
        raise DataError(f"{uri}: column {name!r} is {kind}; expected integers or text")
    declared = _declared(schema, name)
    if declared:
        where = f"{uri}: the class names of column {name!r}"
        return LabelColumn(uri, "indices", distinct(declared, where))
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


def _cells(column: LabelColumn, name: str) -> Iterator[set[str]]:
    """The classes in each batch of a file. Raises DataError for numbers below 0."""
    with parquet_errors(column.uri), storage.open_input(column.uri) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(_BATCH, columns=[name]):
            cells = [cell for cell in pc.unique(batch.column(0)).to_pylist() if cell is not None]
            if column.kind == "numbers" and cells and min(cells) < 0:
                raise DataError(
                    f"{column.uri}: column {name!r} has the label {min(cells)}; labels below 0 "
                    "often mean that there is none: write names, or leave the cell empty"
                )
            yield {found for found in map(column.name, cells) if found is not None}


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
