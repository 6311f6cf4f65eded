"""What a process that runs a model file and its parent send each other: JSON, then raw arrays.

Nothing is pickled, so neither side can make the other run code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Frame = tuple[dict[str, Any], dict[str, Array]]
"""A message and the arrays that belong to it, by name."""

DTYPES = frozenset(
    {"bool", "uint8", "int8", "uint16", "int16", "int32", "int64"}
    | {"float16", "float32", "float64"}
)
_MOST_BYTES = 2**31


def send(pipe: Connection, message: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Raises OSError when the other side is gone."""
    shapes = {name: (str(array.dtype), array.shape) for name, array in arrays.items()}
    pipe.send_bytes(json.dumps({"message": message, "arrays": shapes}).encode())
    for array in arrays.values():
        pipe.send_bytes(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def receive(pipe: Connection) -> Frame:
    """Raises EOFError or OSError when the other side is gone, ValueError for what is no frame."""
    frame = json.loads(pipe.recv_bytes(_MOST_BYTES))
    arrays = {name: _array(pipe, *form) for name, form in frame["arrays"].items()}
    return frame["message"], arrays


def _array(pipe: Connection, dtype: str, shape: list[int]) -> Array:
    data = pipe.recv_bytes()
    if dtype not in DTYPES or len(data) != np.dtype(dtype).itemsize * math.prod(shape):
        raise ValueError(f"{len(data)} bytes are not {dtype} of {shape}")
    return np.frombuffer(data, dtype).reshape(shape)
