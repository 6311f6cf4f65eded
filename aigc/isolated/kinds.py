"""What a model file is by its first bytes, and why it is not one that can be imported."""

from __future__ import annotations

import io
import zipfile
from pathlib import PurePosixPath

MAX_BYTES = 2**31 - 1
"""Of an ONNX file: the largest message of protobuf."""
_PICKLE = "Python pickles, which run code when they are opened"
_ONNX = "export the network as one ONNX file (torch.onnx.export) and import that"
_WEIGHTS_ONLY = "holds weights without the network they belong to"
_STARTS = {
    b"\x89HDF\r\n\x1a\n": f"is HDF5 (.h5, Keras), which may hold code: {_ONNX}",
    b"GGUF": f"is GGUF, which {_WEIGHTS_ONLY}: {_ONNX}",
    b"\x1f\x8b": f"is a gzip archive: {_ONNX}",
    b"\x93NUMPY": f"is a NumPy array, which {_WEIGHTS_ONLY}: {_ONNX}",
}
_ZIP = b"PK\x03\x04"
_HEADER_BYTES = 8
_FIRST_TAG = 0x08
"""Of protobuf: the version of the format, which stands first in ONNX files."""


def refusal(data: bytes, name: str) -> str | None:
    """Why a file with this content, called `name`, cannot be an ONNX file; None if it may be."""
    if not data:
        return "is empty"
    known = [reason for start, reason in _STARTS.items() if data.startswith(start)]
    if known:
        return known[0]
    if data.startswith(_ZIP):
        return _archive(data)
    found = [reason for holds, reason in _SIGNS if holds(data)]
    if not found and data[0] != _FIRST_TAG:
        found = _by_suffix(PurePosixPath(name).suffix.lower())
    return found[0] if found else None


def _archive(data: bytes) -> str:
    """A zip is told apart by the names of what lies in it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [PurePosixPath(name) for name in archive.namelist()]
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return f"is a zip archive, and damaged or truncated: {_ONNX}"
    parts = {part for path in names for part in path.parts}
    if {"archive_format", "models"} & parts or any(path.suffix == ".pt2" for path in names):
        return f"is a .pt2 file of torch.export, which may hold {_PICKLE}: {_ONNX}"
    if "code" in parts and ("data.pkl" in parts or "constants.pkl" in parts):
        return f"is TorchScript, which holds code and {_PICKLE}: {_ONNX}"
    if any(path.suffix == ".pkl" for path in names):
        return f"is a file of torch.save (.pt, .pth, .ckpt), which holds {_PICKLE}: {_ONNX}"
    if any(path.suffix == ".h5" for path in names):
        return f"is a Keras archive, which may hold code: {_ONNX}"
    return f"is a zip archive: {_ONNX}"


def _is_pickle(data: bytes) -> bool:
    """Protocols 2 to 5 begin so, and old files of torch.save with them."""
    return data[0] == 0x80 and len(data) > 2 and 2 <= data[1] <= 5


def _is_safetensors(data: bytes) -> bool:
    """A length, then a JSON object of that length."""
    size = int.from_bytes(data[:_HEADER_BYTES], "little")
    return size < 2**32 and data[_HEADER_BYTES : _HEADER_BYTES + 1] == b"{"


def _by_suffix(suffix: str) -> list[str]:
    """Of files whose content does not show what they are, such as old or truncated ones."""
    pickled = {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".bin", ".joblib"}
    if suffix in pickled:
        return [f"is named {suffix}, as files that hold {_PICKLE}: {_ONNX}"]
    known = {".pt2": "a file of torch.export", ".h5": "HDF5", ".keras": "a Keras archive"}
    known |= {".safetensors": f"safetensors, which {_WEIGHTS_ONLY}", ".pb": "a TensorFlow graph"}
    return [f"is named {suffix}, as {known[suffix]}: {_ONNX}"] if suffix in known else []


_SIGNS = (
    (_is_pickle, f"holds {_PICKLE}: {_ONNX}"),
    (_is_safetensors, f"is safetensors, which {_WEIGHTS_ONLY}: {_ONNX}"),
    (lambda data: data[4:8] == b"TFL3", f"is TensorFlow Lite: {_ONNX}"),
    (lambda data: data[257:262] == b"ustar", f"is a tar archive: {_ONNX}"),
)
