"""Waiting in tests: for a condition, never for a length of time that has to be long enough."""

from __future__ import annotations

import time
from collections.abc import Callable

LIMIT_S = 120.0
"""Only a condition that never holds takes this long, on however busy a machine."""


def wait_until(
    condition: Callable[[], object],
    limit_s: float = LIMIT_S,
    *,
    poll_s: float = 0.02,
    explain: Callable[[], object] = lambda: "it never happened",
) -> None:
    """Return as soon as `condition` holds; fail with `explain` after `limit_s`."""
    until = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until, explain()
        time.sleep(poll_s)
