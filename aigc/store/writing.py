"""How a version comes to be: its number is claimed, its files are written, its marker last."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from aigc import storage
from aigc.store.version import CLAIM, MARKER, pretty


def write_all(
    uri: str, files: dict[str, bytes], marker: bytes, released: Callable[[], None]
) -> None:
    """Every file, then `released`, the marker last; on failure or interruption none stays."""
    try:
        for file, data in files.items():
            storage.write_bytes(storage.join(uri, file), data)
        released()
        storage.create(storage.join(uri, MARKER), marker)
    except BaseException:
        for file in files:
            storage.delete(storage.join(uri, file))
        raise


def reserve(folder: str) -> bool:
    """Claim the version `folder`; False when another has it."""
    claim = pretty({"claimed_at": time.time(), "claim": uuid.uuid4().hex})
    return storage.create(storage.join(folder, CLAIM), claim)
