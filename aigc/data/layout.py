"""The files of a prepared data set and the columns in them."""

from __future__ import annotations

import json

import pyarrow as pa

MARKER = "dataset.json"
"""Written last: a folder without it is not a data set."""
WORK = "_work"
"""Work files while a set is being made."""
SPLITS = ("train", "test")

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def schema(labels: tuple[str, ...]) -> pa.Schema:
    """image struct<bytes, path> (PNG), label int64, id string, with Hugging Face's features."""
    label = {"names": list(labels), "_type": "ClassLabel"} if labels else _value("int64")
    features = {"image": {"_type": "Image"}, "label": label, "id": _value("string")}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    fields = [("image", IMAGE), ("label", pa.int64()), ("id", pa.string())]
    return pa.schema(fields, metadata=metadata)


def _value(dtype: str) -> dict[str, str]:
    return {"dtype": dtype, "_type": "Value"}
