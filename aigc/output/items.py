"""The columns that hold the items, in whatever form these are delivered.

Files stand in a column like `image`, struct<bytes, path> as the Hugging Face library reads it. Raw
values stand in one like `pixels`: binary, row by row, the shape in the field's metadata (sizes in
which items differ are null, and stand in columns of their own). As Arrow lists of numbers they
would be written and read several times more slowly, because Parquet stores a byte as 32 bits. A
set with both columns has one of them null in each row.

They stand directly behind the column `candidate`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aigc import arrow
from aigc.modalities import Delivery
from aigc.modalities.delivery import RAW, Form, ItemFormat
from aigc.types import Json

_FILE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_SHAPE = b"shape"
_BEFORE = "candidate"

Rows: TypeAlias = "pa.RecordBatch | pa.Table"


def fields(delivery: Delivery, form: Form, formats: Collection[ItemFormat]) -> list[pa.Field]:
    """The columns that items in `formats` need."""
    found = []
    if any(wanted.codec != RAW for wanted in formats):
        found.append(pa.field(delivery.column, _FILE_TYPE))
    if any(wanted.codec == RAW for wanted in formats):
        shape = _common_shape(delivery, form, formats)
        metadata = {_SHAPE: json.dumps(shape)}
        found.append(pa.field(delivery.raw_column, pa.binary(), metadata=metadata))
    return found


def _common_shape(
    delivery: Delivery, form: Form, formats: Collection[ItemFormat]
) -> list[int | None]:
    """Without the sizes of `side_columns` where items differ in one of them."""
    shapes = [delivery.delivered(form, wanted).shape for wanted in formats]
    sides = len(delivery.side_columns)
    same = len({shape[:sides] for shape in shapes}) == 1
    return [*(shapes[0][:sides] if same else [None] * sides), *shapes[0][sides:]]


def features(delivery: Delivery, form: Form, formats: Collection[ItemFormat]) -> Json:
    """What the Hugging Face library must be told of `fields`."""
    files = [wanted for wanted in formats if wanted.codec != RAW]
    return {delivery.column: delivery.feature(form, files)} if files else {}


def names(schema: pa.Schema) -> list[str]:
    """The columns of a set that hold items; none where these are files of their own."""
    behind = itertools.islice(schema, schema.get_field_index(_BEFORE) + 1, None)
    return [field.name for field in itertools.takewhile(_holds_items, behind)]


def arrays(
    delivery: Delivery,
    files: Sequence[bytes],
    indices: Sequence[int],
    codecs: Sequence[str],
    there: Sequence[str],
) -> list[pa.Array]:
    """N items as the columns `there`, which are those of `fields`."""
    raw = np.array([codec == RAW for codec in codecs]) if len(there) > 1 else None
    found: list[pa.Array] = []
    if delivery.column in there:
        paths = [
            f"{index:012d}{delivery.codecs[codec].suffix}"
            for index, codec in zip(indices, codecs, strict=True)
        ]
        parts = [arrow.files(files), arrow.texts(paths)]
        mask = None if raw is None else arrow.flags(raw)
        found.append(pa.StructArray.from_arrays(parts, fields=list(_FILE_TYPE), mask=mask))
    if delivery.raw_column in there:
        values = arrow.files(files)
        found.append(values if raw is None else pc.if_else(arrow.flags(raw), values, None))
    return found


def files(rows: Rows, columns: Sequence[str] | None = None) -> list[bytes]:
    """The items' bytes, N of them; `columns` are those of `names`, where rows have no others."""
    encoded, raw = _kinds(rows.schema, columns)
    found = [pc.struct_field(rows[name], "bytes") for name in encoded]
    found += [rows[name] for name in raw]
    data: list[bytes] = (pc.coalesce(*found) if len(found) > 1 else found[0]).to_pylist()
    return data


def with_files(rows: pa.RecordBatch, changed: Sequence[bytes]) -> pa.RecordBatch:
    """`rows` with the bytes of their encoded files `changed`, (N,); none of them is raw."""
    (name,), _ = _kinds(rows.schema)
    parts = [arrow.files(changed), pc.struct_field(rows[name], "path")]
    at = rows.schema.get_field_index(name)
    column = pa.StructArray.from_arrays(parts, fields=list(_FILE_TYPE))
    return rows.set_column(at, rows.schema.field(at), column)


def suffixes(rows: Rows) -> list[str]:
    """What the name of each item's file ends in, with the dot; `.raw` for raw ones."""
    encoded, _ = _kinds(rows.schema)
    if not encoded:
        return [f".{RAW}"] * rows.num_rows
    paths = pc.struct_field(rows[encoded[0]], "path").to_pylist()
    return [f".{RAW}" if path is None else path[path.rindex(".") :] for path in paths]


def raw_shapes(rows: Rows, side_columns: Sequence[str]) -> list[tuple[int, ...]]:
    """The shape of each raw item, from its column's metadata and the columns next to it."""
    _, (name,) = _kinds(rows.schema)
    shape = json.loads(rows.schema.field(name).metadata[_SHAPE])
    if None not in shape:
        return [tuple(shape)] * rows.num_rows
    sides = [rows[column].to_pylist() for column in side_columns]
    return [(*found, *shape[len(sides) :]) for found in zip(*sides, strict=True)]


def _holds_items(field: pa.Field) -> bool:
    is_raw = pa.types.is_binary(field.type) and _SHAPE in (field.metadata or {})
    return is_raw or field.type == _FILE_TYPE


def _kinds(schema: pa.Schema, columns: Sequence[str] | None = None) -> tuple[list[str], list[str]]:
    """The columns of files, and those of raw values."""
    held = names(schema) if columns is None else columns
    kinds: Mapping[str, pa.DataType] = {name: schema.field(name).type for name in held}
    raw = [name for name, kind in kinds.items() if pa.types.is_binary(kind)]
    return [name for name in kinds if name not in raw], raw
