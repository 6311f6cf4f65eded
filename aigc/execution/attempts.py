"""Worker slots of a pool and their attempts at units."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from aigc.execution.backend import FINALIZING
from aigc.specs import Placement

_STRAGGLER_S, _STRAGGLER_FACTOR = 5.0, 2.0
"""A unit that has run for this many seconds and medians is started again on an idle worker."""


@dataclass(eq=False)
class Attempt:
    """An attempt at a unit. A `computed` unit still has to be finalized. Times are monotonic."""

    unit: Any
    started: float
    last_progress: float
    items: float = 0.0
    computed: bool = False

    @property
    def estimated_s(self) -> float:
        """Estimated duration of the whole unit from the items it reported, at least one."""
        whole = getattr(self.unit, "items", self.items)
        return float((self.last_progress - self.started) * whole / self.items)

    def overdue(self, now: float, limits: Placement) -> str | None:
        """The exceeded limit as a message; None within the limits."""
        if limits.timeout_s is not None and now - self.started > limits.timeout_s:
            return f"no result after timeout_s = {limits.timeout_s:g}"
        if now - self.last_progress > limits.batch_timeout_s:
            return f"no batch in batch_timeout_s = {limits.batch_timeout_s:g}"
        return None


def straggler(
    running: Sequence[Attempt], durations: Collection[float], now: float
) -> Attempt | None:
    """The oldest attempt without a copy that takes far longer than the `durations` of others."""
    if not durations:
        return None
    limit = max(_STRAGGLER_S, _STRAGGLER_FACTOR * statistics.median(durations))
    for attempt in sorted(running, key=lambda attempt: attempt.started):
        copies = sum(str(other.unit) == str(attempt.unit) for other in running)
        if copies == 1 and now - attempt.started > limit:
            return attempt
    return None


@dataclass(eq=False)
class WorkerSlot:
    """A worker and its attempts, in order of their start."""

    worker: Any
    ready: bool = False
    attempts: list[Attempt] = field(default_factory=list)

    def is_free(self) -> bool:
        computed = all(attempt.computed for attempt in self.attempts)
        return self.ready and computed and len(self.attempts) <= FINALIZING

    def overdue(self, now: float, limits: Placement) -> tuple[Attempt, str] | None:
        """An attempt that exceeded a limit, and which. Attempts waiting for a finalizer do not."""
        for waiting in [attempt for attempt in self.attempts if attempt.computed][FINALIZING:]:
            waiting.last_progress = now
        overdue = ((attempt, attempt.overdue(now, limits)) for attempt in self.attempts)
        return next(((attempt, reason) for attempt, reason in overdue if reason), None)

    def attempt_of(self, name: str | None) -> Attempt | None:
        return next((a for a in self.attempts if str(a.unit) == name), None)
