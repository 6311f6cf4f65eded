"""An audit log in a file of this machine. Several processes and threads may append to it.

FILE        the lines; the kernel's lock on it (flock) is held while one is added
FILE.head   number and SHA-256 of the last line, so that lines cut from the end are missed

A line counts once it is on the disk. What a power failure left of one that never counted is removed
before the next one is written.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from aigc.audit.entries import Head, head_of
from aigc.errors import AuditError

Follow = Callable[[Head], bytes]
"""The line that follows a head."""

_PATIENCE_S = 60.0
_POLL_S = 0.01
_OWNER_ALONE = 0o600
_STEP = 2**16


def append(path: Path, lines: Sequence[Follow]) -> Head:
    """Add `lines`, on the disk before this returns; all of them or none.

    Raises:
        OSError: the file cannot be written; it is as it was.
        AuditError: lines are missing from its end, or others have the lock for a minute.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path) as file:
        size = _whole(file)
        head = _last(path, file, size)
        added = []
        for follow in lines:
            line = follow(head)
            found = head_of(line)
            assert found is not None
            head = found
            added.append(line + b"\n")
        try:
            _write(file, b"".join(added))
            _write_head(path, head)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(file, size)
            raise
    return head


def read(path: Path) -> Iterator[bytes]:
    """The lines, without their ends."""
    with path.open("rb") as file:
        for line in file:
            yield line.removesuffix(b"\n")


def kept_head(path: Path) -> Head | None:
    """What FILE.head says; None where there is none."""
    with contextlib.suppress(FileNotFoundError):
        return Head.parse(_head_file(path).read_text("ascii", "replace"))
    return None


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _OWNER_ALONE)
    try:
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise AuditError(
                        f"{path}: another process has held its lock for {_PATIENCE_S:.0f} s; "
                        "end that process, or try again"
                    ) from None
                time.sleep(_POLL_S)
        yield file
    finally:
        os.close(file)


def _whole(file: int) -> int:
    """The size of the file, after an unfinished line at its end was removed."""
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        size = _line_start(file, size)
        os.ftruncate(file, size)
    return size


def _line_start(file: int, end: int) -> int:
    """Where the last line before `end` begins."""
    while end > 0:
        start = max(0, end - _STEP)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _last(path: Path, file: int, size: int) -> Head:
    """The head of the file. Raises AuditError when FILE.head knows of more."""
    head = Head()
    if size:
        start = _line_start(file, size - 1)
        found = head_of(os.pread(file, size - 1 - start, start))
        if found is None:
            raise AuditError(f"{path}: its last line is damaged; {_ADVICE}")
        head = found
    kept = kept_head(path)
    if kept is not None and (kept.number > head.number or _differs(kept, head)):
        raise AuditError(
            f"{path}: its last line is number {head.number}, {_head_file(path).name} knows another "
            f"one, number {kept.number}: lines were changed or removed; {_ADVICE}"
        )
    return head


def _differs(kept: Head, head: Head) -> bool:
    return kept.number == head.number and kept != head


_ADVICE = "see `aigc audit verify`, keep both files, and set another one as audit log"


def _write(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
    os.fsync(file)


def _write_head(path: Path, head: Head) -> None:
    """In place: it is shorter than a sector, and a crash in between leaves the one before."""
    file = os.open(_head_file(path), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _OWNER_ALONE)
    try:
        data = f"{head.number:020d}:{head.sha256}\n".encode()
        os.pwrite(file, data, 0)
        os.fsync(file)
    finally:
        os.close(file)


def _head_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.head")
