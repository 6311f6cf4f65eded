"""Folders below `storage`: temporaries that are swept, errors as one line. Used by storage only."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import re
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs

from aigc.errors import DiskFullError, StorageError

TEMP = ".aigc-tmp-"
"""Prefix of files still being written; readers and listings pass over them."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:(/|$)")
"""Of one slash too: a join leaves no more of what was no place, as `s3://`."""
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM}
_NO_LINK = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def path_of(uri: str) -> Path:
    """Raises StorageError when `uri` is no path of this machine."""
    path = uri.removeprefix("file://") if uri.startswith("file:///") else uri
    if not path.strip() or "\0" in path or _SCHEME.match(path):
        raise StorageError(f"{uri!r}: expected a path, file:///PATH or s3://BUCKET/KEY")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise StorageError(f"{uri!r}: unknown user; write the full path") from None


def exists(path: Path) -> bool:
    """Raises StorageError for a link to nothing, or in a circle."""
    found = path.exists()
    if not found and path.is_symlink():
        raise StorageError(f"{path}: a link to nothing, or to itself; correct or delete it")
    return found


def regular(path: str) -> str:
    """`path`; StorageError if what is there would be waited for instead of read."""
    mode = Path(path).stat().st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise StorageError(f"{path}: a FIFO, socket or device; expected a file")
    return path


def temporary_name() -> str:
    return f"{TEMP}{uuid.uuid4().hex}"


@contextlib.contextmanager
def temporary_beside(target: Path) -> Iterator[Path]:
    make_folder(target.parent)
    temporary = target.with_name(temporary_name())
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def replace(target: Path, data: bytes, synced: bool) -> None:
    """`data` at `target` in one step, and on the disk before this returns if `synced`."""
    with temporary_beside(target) as temporary:
        if not synced:
            temporary.write_bytes(data)
            temporary.replace(target)
            return
        write_synced(temporary, data)
        temporary.replace(target)
        sync_folder(target.parent)


def create(target: Path, data: bytes) -> bool:
    """`data` at `target`, and on the disk, unless something is there; True also if it is `data`."""
    with temporary_beside(target) as temporary:
        write_synced(temporary, data)
        try:
            _link(temporary, target, data)
        except FileExistsError:
            with contextlib.suppress(FileNotFoundError):
                return target.read_bytes() == data
            return False
        sync_folder(target.parent)
        return True


def _link(temporary: Path, target: Path, data: bytes) -> None:
    """Where there are no hard links (exFAT, some network disks) who dies as it writes leaves a
    part: it is found damaged when it is read."""
    try:
        os.link(temporary, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        write_synced(target, data, "xb")


def write_synced(path: Path, data: bytes, mode: str = "wb", permissions: int = 0o666) -> None:
    """`permissions` are those of a file that is made here, less the process's mask."""

    def opened(name: str, flags: int) -> int:
        return os.open(name, flags, permissions)

    with open(path, mode, opener=opened) as file:
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
        sync_folder(target.parent)


def make_folder(folder: Path) -> None:
    """With those above it; a new one outlasts a loss of power."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """The names in `folder` are on the disk, where the file system can do that for folders."""
    try:
        with _opened(folder) as descriptor:
            os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def sync_disk(folder: Path) -> None:
    """All that was written where `folder` lies is on the disk: 2,000 small files in 0.04 s, where
    one after the other took 4.2 s (ext4 on a cloud volume)."""
    sync = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if sync is None:
        os.sync()
        return
    with _opened(folder) as descriptor:
        if sync(descriptor):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


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


def names(folder: Path, start: str) -> list[str]:
    """Of files that are not temporaries; none where there is no folder."""
    with contextlib.suppress(FileNotFoundError):
        found = [entry.name for entry in os.scandir(folder) if entry.is_file()]
        return [name for name in found if name.startswith(start) and not name.startswith(TEMP)]
    return []


def open_input(path: Path) -> pa.NativeFile:
    """A seekable stream. Arrow takes only names in UTF-8, so others are opened by Python."""
    regular(str(path))
    try:
        return pafs.LocalFileSystem().open_input_file(str(path))
    except UnicodeEncodeError:
        return pa.PythonFile(path.open("rb"), "r")


def require_writable(target: Path, uri: str) -> None:
    """Raises StorageError or OSError unless a file can be made in `target`; leaves nothing."""
    nearest = next(p for p in [target, *target.parents] if p.exists())
    if not nearest.is_dir():
        raise StorageError(f"{uri}: {nearest} is a file; choose a folder")
    trial = nearest / temporary_name()
    trial.touch()
    trial.unlink()


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def remove_temporaries(root: Path, older_than_s: float, names: Collection[str]) -> int:
    """Those in the folder `root`, and those below its folders `names`."""
    now = time.time()
    count = 0
    below = (path for name in names for path in (root / name).rglob(f"{TEMP}*"))
    for path in (*root.glob(f"{TEMP}*"), *below):
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
            f"{where}: the disk is full; free some space, then run the same command again"
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
