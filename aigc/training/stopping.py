"""SIGTERM as a request to stop."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

Stop = Callable[[], bool]


@contextlib.contextmanager
def on_sigterm(stop: Stop) -> Iterator[Stop]:
    """`stop`, or SIGTERM since: only a main thread can hear signals, elsewhere `stop` decides."""
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    heard = threading.Event()

    def hear(_number: int, _frame: FrameType | None) -> None:
        heard.set()

    before = signal.signal(signal.SIGTERM, hear)
    try:
        yield lambda: heard.is_set() or stop()
    finally:
        signal.signal(signal.SIGTERM, before)
