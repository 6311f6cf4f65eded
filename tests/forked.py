"""What workers of this machine run in tests. They import this module, so it imports little."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any


def worker(environment: dict[str, str], target: Callable[..., None], args: tuple[Any, ...]) -> None:
    """`target` in the environment of the process that started it, not in that of the fork server.
    multiprocessing itself hands over the folder."""
    os.environ.clear()
    os.environ.update(environment)
    target(*args)
