"""Ends the processes of a private Ray session that outlive it, also when its driver is killed.

Ray's daemons end with their driver, and its workers soon after. A worker that is just starting, or
is busy in library code, may stay for minutes or indefinitely. Each process of the session therefore
has a marker in its environment, and a small process waits for the driver's end, kills the processes
with that marker and removes the folders of the session. Run as a program, this file is that
process; it imports nothing else of aigc.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil

MARK = "AIGC_RAY_SESSION"
_GRACE_S = 3.0
"""Processes of the session may continue for this long after the driver's end."""
_KILLING_S = 10.0
_POLL_S = 0.05

_folders: list[str] = []
"""Folders to remove after the next private session of this process."""


@contextlib.contextmanager
def scratch_folder(prefix: str, longest: int = 1024) -> Iterator[Path]:
    """A temporary folder around a private session, removed also when the driver is killed.

    It is in /tmp if the path of the temporary folder (TMPDIR) has more than `longest` characters,
    since the length of socket paths is limited.
    """
    top = tempfile.gettempdir()
    place = "/tmp" if len(top) > longest and Path("/tmp").is_dir() else top
    with tempfile.TemporaryDirectory("", prefix, place, ignore_cleanup_errors=True) as folder:
        _folders.append(folder)
        try:
            yield Path(folder)
        finally:
            _folders.remove(folder)


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """Wrap a private session, from before Ray starts: on exit none of its processes is left."""
    mark = uuid.uuid4().hex
    command = [sys.executable, "-P", __file__, mark, *_folders]
    ender = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    before = os.environ.get(MARK)
    os.environ[MARK] = mark
    try:
        yield
    finally:
        os.environ.pop(MARK) if before is None else os.environ.update({MARK: before})
        assert ender.stdin is not None
        ender.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            ender.wait(_GRACE_S + _KILLING_S)


def marked(mark: str) -> list[psutil.Process]:
    """The live processes of the session `mark` that this user may inspect."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and process.environ().get(MARK) == mark:
                found.append(process)
    return found


def end(mark: str) -> None:
    """Wait for the processes of the session to end, and after a grace period kill them."""
    begun = time.monotonic()
    driver_and_we = {os.getpid(), os.getppid()}
    while left := [each for each in marked(mark) if each.pid not in driver_and_we]:
        waited_s = time.monotonic() - begun
        if waited_s > _GRACE_S + _KILLING_S:
            return
        for process in left if waited_s > _GRACE_S else []:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(_POLL_S)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    end(sys.argv[1])
    for folder in sys.argv[2:]:
        shutil.rmtree(folder, ignore_errors=True)
