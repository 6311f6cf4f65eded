"""Processes of tests, all forked from one server. They import this module, so it imports little."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from typing import Any

from aigc.execution import forking


def process(target: Callable[..., None], args: tuple[Any, ...], daemon: bool) -> ForkServerProcess:
    """As `forking.context.Process`, with the environment of this process in place of the server's.
    multiprocessing itself hands over the folder."""
    forking.warm()
    words = (dict(os.environ), target, args)
    return ForkServerProcess(target=_begin, args=words, daemon=daemon)


def _begin(environment: dict[str, str], target: Callable[..., None], args: tuple[Any, ...]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # TMPDIR decides
    target(*args)
