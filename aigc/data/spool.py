"""Room for decoded items: in memory as long as they are few, else in a file."""

from __future__ import annotations

import math
import os
import tempfile

import numpy as np

from aigc.errors import DiskFullError
from aigc.modalities.base import Items


def empty_items(shape: tuple[int, ...], memory_bytes: int, dtype: str = "uint8") -> Items:
    """An uninitialised array of `shape`, (N, ...).

    One of more than `memory_bytes` lies in a file of the temporary folder (TMPDIR), whose pages the
    system writes out when memory gets short. The file has no name and goes with the array.

    Raises:
        DiskFullError: the temporary folder has no room for it.
    """
    size_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    if size_bytes <= memory_bytes:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:
        try:
            _reserve(file.fileno(), size_bytes)
        except OSError as error:
            raise DiskFullError(
                f"{tempfile.gettempdir()}: no room for {size_bytes:,} bytes of decoded items "
                f"({error.strerror}); set TMPDIR to a larger disk, or raise memory_bytes"
            ) from None
        return np.memmap(file, dtype, "r+", shape=shape)


def _reserve(descriptor: int, size_bytes: int) -> None:
    """Without this a disk that fills up later ends the process by SIGBUS."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size_bytes)
    else:  # macOS
        os.truncate(descriptor, size_bytes)
