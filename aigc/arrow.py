"""Arrow arrays from values and back, by their memory alone.

`pyarrow.array` and `Array.to_numpy` import pandas when first called, to look for its types: half a
second in every worker, for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def numbers(values: npt.NDArray[Any]) -> pa.Array:
    """A numeric (N,) array, not copied if it is contiguous."""
    flat = np.ascontiguousarray(values)
    kind = pa.from_numpy_dtype(flat.dtype)
    return pa.Array.from_buffers(kind, len(flat), [None, pa.py_buffer(flat)])


def flags(values: Sequence[bool] | npt.NDArray[np.bool_]) -> pa.Array:
    bits = np.packbits(np.asarray(values, dtype=bool), bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])


def files(values: Sequence[bytes]) -> pa.Array:
    """Of type binary.

    Raises:
        ValueError: all together are 2 GiB or more.
    """
    return _joined(pa.binary(), values)


def texts(values: Sequence[str]) -> pa.Array:
    """Of type string. Raises as `files`."""
    text = "".join(values)
    if text.isascii():  # a character is a byte
        return _array(pa.string(), [len(value) for value in values], text.encode())
    return _joined(pa.string(), [value.encode() for value in values])


def values(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    """A numeric column without nulls as (N,)."""
    if isinstance(column, pa.ChunkedArray):
        parts = [values(chunk) for chunk in column.chunks]
        return np.concatenate(parts) if parts else np.empty(0, column.type.to_pandas_dtype())
    return np.from_dlpack(column)


def _joined(kind: pa.DataType, values: Sequence[bytes]) -> pa.Array:
    return _array(kind, [len(value) for value in values], b"".join(values))


def _array(kind: pa.DataType, sizes: Sequence[int], data: bytes) -> pa.Array:
    """Values of so many bytes each, one after the other in `data`."""
    if len(data) >= 2**31:
        raise ValueError(f"{len(data):,} bytes do not fit one array of type {kind}")
    ends = np.zeros(len(sizes) + 1, np.int32)
    np.cumsum(sizes, out=ends[1:])
    return pa.Array.from_buffers(kind, len(sizes), [None, pa.py_buffer(ends), pa.py_buffer(data)])
