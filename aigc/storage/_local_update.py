"""Read, change and replace a small private file of this machine. Used by storage only.

The kernel keeps the lock: a process that dies lets go of it, and nobody can take it from one that
lives, however long that stands still.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from aigc.errors import StorageError
from aigc.storage import _local

_PATIENCE_S = 60.0
_POLL_S = 0.02
_OWNER_ALONE = 0o600


def update(path: Path, change: Callable[[bytes | None], bytes]) -> None:
    """Raises StorageError when others have the lock for a minute."""
    with _locked(path.with_name(f"{path.name}.lock")):
        known: bytes | None = None
        with contextlib.suppress(FileNotFoundError):
            known = path.read_bytes()
        _replace(path, change(known))


def _replace(path: Path, data: bytes) -> None:
    with _local.temporary_beside(path) as temporary:
        _local.write_synced(temporary, data, "xb", _OWNER_ALONE)
        with contextlib.suppress(
            FileNotFoundError, PermissionError
        ):  # what root changes for others
            before = path.stat()
            os.chown(temporary, before.st_uid, before.st_gid)
        temporary.replace(path)
        _local.sync_folder(path.parent)


@contextlib.contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """Alone in here with the file `lock`, which is removed at the end."""
    _local.make_folder(lock.parent)
    descriptor = _taken(lock)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _taken(lock: Path) -> int:
    until = time.monotonic() + _PATIENCE_S
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, _OWNER_ALONE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(descriptor, lock):
                return descriptor
        except BlockingIOError:
            pass
        os.close(descriptor)
        if time.monotonic() > until:
            raise StorageError(
                f"{lock}: another process has held this lock for {_PATIENCE_S:.0f} s; "
                "end that process, or try again"
            )
        time.sleep(_POLL_S)


def _is(descriptor: int, lock: Path) -> bool:
    """Whether `lock` is still the file that was opened: who had it before has removed it."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), lock.stat())
    return False
