"""A timeout for calls into libraries that have none."""

from __future__ import annotations

import _thread
import contextlib
import os
import sys
import threading
from collections.abc import Iterator

from aigc.errors import PlacementError

GRACE_S = 5.0
"""How long an interrupted call may take to return; then the process exits."""


@contextlib.contextmanager
def within(seconds: float, line: str) -> Iterator[None]:
    """Interrupt the block after `seconds`. There is no timeout outside the main thread, the only
    one that Python can interrupt. If the block waits in C code and cannot be interrupted, the
    process prints `line` on stderr and exits.

    Raises:
        PlacementError: with `line`, if the block was interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    late = threading.Event()

    def interrupt() -> None:
        late.set()
        _thread.interrupt_main()

    def leave() -> None:
        print(f"aigc: {line}", file=sys.stderr, flush=True)  # noqa: T201
        os._exit(PlacementError.exit_code)

    timers = threading.Timer(seconds, interrupt), threading.Timer(seconds + GRACE_S, leave)
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        yield
    except BaseException:
        if late.is_set():
            raise PlacementError(line) from None
        raise
    finally:
        for timer in timers:
            timer.cancel()
