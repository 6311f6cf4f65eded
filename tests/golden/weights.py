"""Tensors that follow from a name alone, and the file that holds them. No PyTorch, no `aigc`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def bits(name: str, count: int) -> npt.NDArray[np.uint64]:
    """(count,) 31-bit numbers from the Philox stream whose key is the SHA-256 of `name`."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "little")
    words: npt.NDArray[np.uint64] = np.random.Philox(key=key).random_raw(count)
    return words >> np.uint64(33)


def integers(name: str, shape: tuple[int, ...], low: int, high: int) -> Ints:
    """Whole numbers in low..high, both included."""
    drawn = bits(name, int(np.prod(shape))) % np.uint64(high - low + 1)
    return drawn.astype(np.int64).reshape(shape) + low


def sparse(name: str, rows: int, columns: int, terms: int, low: int, high: int) -> Floats:
    """(rows, columns) with at most `terms` whole numbers in low..high a row, zero elsewhere."""
    found = np.zeros((rows, columns), np.float32)
    places = integers(f"{name} places", (rows, terms), 0, columns - 1)
    values = integers(f"{name} values", (rows, terms), low, high)
    for row in range(rows):
        found[row, places[row]] = values[row]
    return found


def uniform(name: str, shape: tuple[int, ...], reach: float) -> Floats:
    """Multiples of reach / 2^20 in -reach..reach: dense weights, as training leaves them."""
    return (integers(name, shape, -(2**20), 2**20) * (reach / 2**20)).astype(np.float32)


def safetensors(tensors: Mapping[str, Array]) -> bytes:
    """The file format of https://github.com/huggingface/safetensors, tensors in order of name."""
    kinds = {"float32": "F32", "int64": "I64"}
    header, parts, end = {}, [], 0
    for name in sorted(tensors):
        data = np.ascontiguousarray(tensors[name]).tobytes()
        start, end = end, end + len(data)
        kind = kinds[str(tensors[name].dtype)]
        shape = list(tensors[name].shape)
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [start, end]}
        parts.append(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(parts)
