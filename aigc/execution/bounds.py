"""A bound on calls into libraries that have none of their own."""

from __future__ import annotations

import _thread
import contextlib
import os
import sys
import threading
from collections.abc import Iterator

from aigc.errors import PlacementError

GRACE_S = 5.0
"""How long a call may take to end once it was interrupted; then the process ends."""


@contextlib.contextmanager
def within(seconds: float, line: str) -> Iterator[None]:
    """Interrupt the block after `seconds`. In another thread than the main one it is not bounded:
    Python interrupts that one alone. A block that cannot be interrupted, as it waits in C, ends
    the process with `line` on stderr.

    Raises:
        PlacementError: with `line`, when it was interrupted.
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
