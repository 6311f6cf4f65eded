"""Folders below `storage`: temporaries that are swept, errors as one line. Used by storage only."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from aigc.errors import DiskFullError, StorageError

TEMP = ".aigc-tmp-"
"""Prefix of files still being written; readers and listings pass over them."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def path_of(uri: str) -> Path:
    return Path(uri.removeprefix("file://")).expanduser()


def temporary_name() -> str:
    return f"{TEMP}{uuid.uuid4().hex}"


@contextlib.contextmanager
def temporary_beside(target: Path) -> Iterator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(temporary_name())
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def move_synced(source: Path, target: Path) -> None:
    """`source` at `target`, whole or not at all, and on the disk before this returns."""
    with temporary_beside(target) as temporary:
        shutil.move(source, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)


def files_below(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every file that is not a temporary, folder by folder in order.

    Raises:
        OSError: a folder cannot be read; one that is gone is passed over.
    """
    for folder, below, files in os.walk(root, onerror=_unless_gone):
        below.sort()
        for name in sorted(files):
            if not name.startswith(TEMP):
                path = Path(folder) / name
                with contextlib.suppress(FileNotFoundError):
                    yield path, path.stat()


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def remove_temporaries(root: Path, older_than_s: float) -> int:
    now = time.time()
    count = 0
    for path in root.rglob(f"{TEMP}*"):
        with contextlib.suppress(FileNotFoundError):
            if now - path.stat().st_mtime >= older_than_s:
                path.unlink()
                count += 1
    return count


def scratch_folder() -> Path:
    """This process's own folder for files on their way elsewhere.

    It is locked while the process lives, however that ends, so the next process that wants one can
    tell what the dead have left, and removes it.
    """
    return _scratch_folder(os.getpid())


@functools.cache
def _scratch_folder(pid: int) -> Path:
    sweep_scratch()
    name = uuid.uuid4().hex
    newborn, folder = _scratch_root() / name, _scratch_root() / f"{pid}-{name}"
    newborn.mkdir(parents=True)
    lock = os.open(newborn, os.O_RDONLY)  # held until the process ends
    fcntl.flock(lock, fcntl.LOCK_EX)
    return newborn.rename(folder)


def sweep_scratch() -> int:
    """Remove what processes that are gone left in their scratch folders; returns how many had."""
    count = 0
    for folder in _scratch_root().glob("*-*"):
        with contextlib.suppress(OSError):
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                count += 1
            finally:
                os.close(lock)
    return count


def _scratch_root() -> Path:
    return Path(tempfile.gettempdir()) / f"aigc-scratch-{os.getuid()}"


@contextlib.contextmanager
def full(where: str) -> Iterator[None]:
    """A full disk as a `DiskFullError`; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFullError(
            f"{where}: the disk is full; make room, then run the same command again"
        ) from None


@contextlib.contextmanager
def errors(uri: str) -> Iterator[None]:
    try:
        with full(uri):
            yield
    except FileNotFoundError:
        raise StorageError(f"{uri}: not found") from None
    except PermissionError:
        raise StorageError(
            f"{uri}: permission denied; choose another place or its rights"
        ) from None
    except OSError as error:
        raise StorageError(f"{uri}: {error.strerror or error}") from None
