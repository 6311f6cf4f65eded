"""The columns that hold the pictures, in whatever form these are delivered.

`image` is a Hugging Face `Image`, struct<bytes, path>. `pixels` holds raw pictures: binary, the
H * W * C uint8 values row by row, the shape [H, W, C] in the field's metadata (H and W are null
where pictures differ; the columns `height` and `width` tell them). As Arrow lists of numbers they
would be written and read several times more slowly, because Parquet stores a byte as 32 bits. A
set with both columns has one of them null in each row.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aigc import arrow
from aigc.modalities.image import SUFFIX
from aigc.specs import Codec

IMAGE, PIXELS = "image", "pixels"
COLUMNS = (IMAGE, PIXELS)

_IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_SHAPE = b"shape"

Rows: TypeAlias = "pa.RecordBatch | pa.Table"
Shape = tuple[int | None, int | None, int]
"""(H, W, C); H and W are None where they differ from row to row."""


def fields(codecs: Collection[Codec], shape: Shape) -> list[pa.Field]:
    """The columns that pictures in `codecs` need."""
    found = []
    if set(codecs) - {"raw"}:
        found.append(pa.field(IMAGE, _IMAGE_TYPE))
    if "raw" in codecs:
        found.append(pa.field(PIXELS, pa.binary(), metadata={_SHAPE: json.dumps(shape)}))
    return found


def features(codecs: Collection[Codec]) -> dict[str, object]:
    """What the Hugging Face library must be told of `fields`."""
    return {IMAGE: {"_type": "Image"}} if set(codecs) - {"raw"} else {}


def arrays(
    files: Sequence[bytes], indices: Sequence[int], codecs: Sequence[Codec], columns: pa.Schema
) -> list[pa.Array]:
    """N pictures as those of `columns` that hold pictures, in the order of `fields`."""
    mixed = IMAGE in columns.names and PIXELS in columns.names
    raw = np.array([codec == "raw" for codec in codecs]) if mixed else None
    found: list[pa.Array] = []
    if IMAGE in columns.names:
        names = [
            f"{index:012d}{SUFFIX[codec]}" for index, codec in zip(indices, codecs, strict=True)
        ]
        parts = [arrow.files(files), arrow.texts(names)]
        mask = None if raw is None else arrow.flags(raw)
        found.append(pa.StructArray.from_arrays(parts, fields=list(_IMAGE_TYPE), mask=mask))
    if PIXELS in columns.names:
        pixels = arrow.files(files)
        found.append(pixels if raw is None else pc.if_else(arrow.flags(raw), pixels, None))
    return found


def files(rows: Rows) -> list[bytes]:
    """The pictures' bytes, N of them."""
    found = []
    if IMAGE in rows.schema.names:
        found.append(pc.struct_field(rows[IMAGE], "bytes"))
    if PIXELS in rows.schema.names:
        found.append(rows[PIXELS])
    data: list[bytes] = (pc.coalesce(*found) if len(found) > 1 else found[0]).to_pylist()
    return data


def suffixes(rows: Rows) -> list[str]:
    """What the name of each picture's file ends in, with the dot; `.raw` for raw ones."""
    if IMAGE not in rows.schema.names:
        return [SUFFIX["raw"]] * rows.num_rows
    names = pc.struct_field(rows[IMAGE], "path").to_pylist()
    return [SUFFIX["raw"] if name is None else name[name.rindex(".") :] for name in names]


def raw_shapes(rows: Rows) -> list[tuple[int, int, int]]:
    """(H, W, C) of each picture, from the metadata of `pixels` and the columns beside it."""
    height, width, channels = json.loads(rows.schema.field(PIXELS).metadata[_SHAPE])
    if height is not None:
        return [(height, width, channels)] * rows.num_rows
    sizes = zip(rows["height"].to_pylist(), rows["width"].to_pylist(), strict=True)
    return [(high, wide, channels) for high, wide in sizes]
