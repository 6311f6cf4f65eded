"""Figures of real data, kept beside the data set so that the next evaluation starts with them."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from aigc import storage
from aigc.data import layout
from aigc.errors import StorageError

FOLDER = layout.CACHE
"""Below the data set; safe to delete at any time."""

Arrays = dict[str, npt.NDArray[Any]]


def cached(data_uri: str, kind: str, key: dict[str, Any], make: Callable[[], Arrays]) -> Arrays:
    """What `make` returned for this `key` before, else what it returns now, kept if possible.

    A data set that cannot be written to, and a damaged cache file, cost time and nothing else.
    """
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    uri = storage.join(data_uri, FOLDER, f"{kind}-{digest}.npz")
    found = _read(uri)
    if found is not None:
        return found
    arrays = make()
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    with contextlib.suppress(StorageError):
        storage.write_bytes(uri, buffer.getvalue())
    return arrays


def _read(uri: str) -> Arrays | None:
    try:
        with np.load(io.BytesIO(storage.read_bytes(uri)), allow_pickle=False) as file:
            return dict(file)
    except (StorageError, zipfile.BadZipFile, ValueError, EOFError, KeyError):
        return None
