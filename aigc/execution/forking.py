"""The server process that workers of this machine are forked from.

It imports the heavy libraries once, so a worker costs milliseconds and shares that memory. This
module imports nothing heavy itself: the server is started before anything else is.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from multiprocessing import forkserver, util
from pathlib import Path
from types import ModuleType
from typing import Any

_PRELOAD = ["aigc.execution.preload"]
_LONG_PATH = 50
context = multiprocessing.get_context("forkserver")


def warm() -> None:
    """Start the server, which imports the workers' libraries while the driver plans."""
    context.set_forkserver_preload(_PRELOAD)
    with _ignoring_interrupts(), _short_paths():
        forkserver.ensure_running()


@contextlib.contextmanager
def _short_paths() -> Iterator[None]:
    """Use /tmp for the server's socket, whose path may have at most 107 bytes."""
    before = tempfile.tempdir
    if len(tempfile.gettempdir()) > _LONG_PATH and Path("/tmp").is_dir():
        tempfile.tempdir = "/tmp"
    try:
        util.get_temp_dir()
        yield
    finally:
        tempfile.tempdir = before


@contextlib.contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Processes started inside ignore Ctrl-C, which the driver handles."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def cool() -> None:
    """Kill the server process; it would take a second to exit on its own."""
    server: Any = forkserver._forkserver
    if server._forkserver_pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server._forkserver_pid, signal.SIGKILL)
        server._stop()


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Keep workers from importing the user's script, which holds nothing they need."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
