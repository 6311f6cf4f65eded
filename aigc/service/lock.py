"""One writer at a time of a file that several may change, on a disk or on S3."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator

from aigc import storage
from aigc.errors import StorageError

_PATIENCE_S = 60.0
_ABANDONED_S = 10.0
"""A lock that one other has had for so long was left by a process that is gone."""
_POLL_S = 0.05


@contextlib.contextmanager
def locked(uri: str) -> Iterator[None]:
    """Nobody else is in here for `uri`, which a file beside it says.

    Raises:
        StorageError: others were for a minute, or the file cannot be written.
    """
    lock, mine = f"{uri}.lock", uuid.uuid4().hex.encode()
    _take(lock, mine)
    try:
        yield
    finally:
        if _holder(lock) == mine:
            storage.delete(lock)


def _take(lock: str, mine: bytes) -> None:
    started = since = time.monotonic()
    known: bytes | None = None
    while not storage.create(lock, mine):
        now, holder = time.monotonic(), _holder(lock)
        if holder != known:
            known, since = holder, now
        if holder is not None and now - since > _ABANDONED_S:
            storage.delete(lock)
        if now - started > _PATIENCE_S:
            raise StorageError(
                f"{lock}: held by another process for {_PATIENCE_S:.0f} s; try again"
            )
        time.sleep(_POLL_S)


def _holder(lock: str) -> bytes | None:
    try:
        return storage.read_bytes(lock)
    except StorageError:
        return None
