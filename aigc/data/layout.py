"""The files of a prepared data set and the columns in them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pyarrow as pa

from aigc.errors import DataError, StorageError
from aigc.types import Json

MARKER = "dataset.json"
"""Written last: a folder without it is not a data set."""
WORK = "_work"
"""Work files while a set is being made."""
CACHE = "_cache"
"""What evaluation computes of a set and keeps in its folder."""
SPLITS = ("train", "test")
ITEM = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""An encoded item and the path of its file."""


def columns(item: str) -> tuple[str, ...]:
    """Of every set whose items lie in the column `item`; those of `notes.COLUMNS` that its source
    has follow."""
    return item, "label", "id"


def schema(
    item: str, feature: Json, labels: tuple[str, ...], texts: tuple[str, ...] = ()
) -> pa.Schema:
    """The column `item` struct<bytes, path>, label int64, id string, then the columns of text, with
    Hugging Face's features; `feature` is that of the item."""
    label = {"names": list(labels), "_type": "ClassLabel"} if labels else _value("int64")
    features = {item: feature, "label": label, "id": _value("string")}
    features |= dict.fromkeys(texts, _value("string"))
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    fields = [(item, ITEM), ("label", pa.int64()), ("id", pa.string())]
    fields += [(name, pa.string()) for name in texts]
    return pa.schema(fields, metadata=metadata)


@contextlib.contextmanager
def parquet_errors(uri: str) -> Iterator[None]:
    """What Arrow raises over the Parquet file at `uri`, as one line."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{uri}: not a readable Parquet file ({_line(error)})") from None
    except OSError as error:
        raise StorageError(f"{uri}: {error.strerror or _line(error)}") from None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def _value(dtype: str) -> dict[str, str]:
    return {"dtype": dtype, "_type": "Value"}
