"""The files of a prepared data set and the columns in them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pyarrow as pa

from aigc.errors import DataError, StorageError

MARKER = "dataset.json"
"""Written last: a folder without it is not a data set."""
WORK = "_work"
"""Work files while a set is being made."""
CACHE = "_cache"
"""What evaluation computes of a set and keeps in its folder."""
SPLITS = ("train", "test")
COLUMNS = ("image", "label", "id")
"""Of every set; those of `notes.COLUMNS` that its source has follow."""

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def schema(labels: tuple[str, ...], texts: tuple[str, ...] = ()) -> pa.Schema:
    """image struct<bytes, path> (PNG), label int64, id string, then the columns of text, with
    Hugging Face's features."""
    label = {"names": list(labels), "_type": "ClassLabel"} if labels else _value("int64")
    features = {"image": {"_type": "Image"}, "label": label, "id": _value("string")}
    features |= dict.fromkeys(texts, _value("string"))
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    fields = [("image", IMAGE), ("label", pa.int64()), ("id", pa.string())]
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
