"""What a pool knows of its workers and of what they are at."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from aigc.execution.backend import FINALIZING
from aigc.specs import Placement

_STRAGGLER_S, _STRAGGLER_FACTOR = 5.0, 2.0
"""A unit this long under way, and this many medians, is begun a second time on an idle worker."""


@dataclass(eq=False)
class Attempt:
    """At a unit, since `since`, last heard of at `beat`. When it is `made` it has to be closed."""

    unit: Any
    since: float
    beat: float
    items: float = 0.0
    made: bool = False

    def overdue(self, now: float, limits: Placement) -> str | None:
        """Which limit it has passed, in words."""
        if limits.timeout_s is not None and now - self.since > limits.timeout_s:
            return f"no result after timeout_s = {limits.timeout_s:g}"
        if now - self.beat > limits.batch_timeout_s:
            return f"no batch in batch_timeout_s = {limits.batch_timeout_s:g}"
        return None


def straggler(at_work: Sequence[Attempt], took: Collection[float], now: float) -> Attempt | None:
    """The oldest that runs only once and takes far longer than units `took` so far."""
    if not took:
        return None
    limit = max(_STRAGGLER_S, _STRAGGLER_FACTOR * statistics.median(took))
    for attempt in sorted(at_work, key=lambda attempt: attempt.since):
        copies = sum(str(other.unit) == str(attempt.unit) for other in at_work)
        if copies == 1 and now - attempt.since > limit:
            return attempt
    return None


@dataclass(eq=False)
class WorkerSlot:
    """A worker and what it is at, in the order it was begun."""

    worker: Any
    ready: bool = False
    attempts: list[Attempt] = field(default_factory=list)

    def is_free(self) -> bool:
        made = all(attempt.made for attempt in self.attempts)
        return self.ready and made and len(self.attempts) <= FINALIZING

    def overdue(self, now: float, limits: Placement) -> tuple[Attempt, str] | None:
        """An attempt that passed a limit, and which. Those that wait to be closed are not late."""
        for waiting in [attempt for attempt in self.attempts if attempt.made][FINALIZING:]:
            waiting.beat = now
        told = ((attempt, attempt.overdue(now, limits)) for attempt in self.attempts)
        return next(((attempt, reason) for attempt, reason in told if reason), None)

    def at(self, name: str | None) -> Attempt | None:
        return next((a for a in self.attempts if str(a.unit) == name), None)
