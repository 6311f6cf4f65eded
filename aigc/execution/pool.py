"""Runs units of work on a pool of workers with timeouts and a retry budget; no unit is lost.

Why not Ray Data: a unit here commits itself, so the scheduler needs no output, no ordering and no
object store; and an actor pool that holds every CPU starves Ray Data's own tasks on small machines.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from aigc.errors import AigcError, DiskFullError, JobError, PlacementError, StorageError
from aigc.execution.attempts import Attempt, WorkerSlot, straggler
from aigc.execution.backend import WorkerBackend, WorkerEvent, most_workers
from aigc.specs import Placement
from aigc.types import Notice

OnResult = Callable[[Any], None]

_POLL_S = 0.5
_CAPACITY_CHECK_S = 5.0
"""Seconds between two queries of the backend's capacity."""
_STARTING = "a worker that was starting"
_MAX_INITIAL_FAILURES = 3
"""The run fails at once if this many units are given up before any succeeds."""
_SHOWN_FAILURES = 3
_FINALIZE_TIMEOUT_S = 10.0
"""Longest wait for units being finalized when a job is stopped."""
_REQUEST_END_S = 2.0
"""A server may process a request for this long after its sender was killed."""


class StoppedError(JobError):
    """The job reached a limit and was stopped."""


class WorkerPool:
    """Runs every unit on a worker; the workers live until the pool is exited.

    A worker computes its next unit while it finalizes earlier ones. A unit that fails, times out or
    loses its worker is retried up to `max_retries` times; then it is given up and the others go on.
    A retried unit has a worker to itself, so that the cause of a crash is known.
    """

    def __init__(self, backend: WorkerBackend, placement: Placement, notice: Notice) -> None:
        self._backend, self._placement, self._notice = backend, placement, notice
        self._retries: deque[Any] = deque()
        self._failures: dict[str, int] = {}
        """Failures per unit name; 0 if its worker died and the unit may not be the cause."""
        self.failures = 0
        """Failed attempts at units and at starting workers."""
        self._given_up: dict[str, str] = {}
        self._done: set[str] = set()
        self._unit_count = 0
        self._durations: deque[float] = deque(maxlen=1000)
        self._slots: list[WorkerSlot] = []
        self._checked_at, self._capacity = -_CAPACITY_CHECK_S, 1
        self._no_worker_since: float | None = None
        self._last_stop_at = -_REQUEST_END_S

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *exception: object) -> None:
        for slot in self._slots:
            self._backend.stop(slot.worker)
        self._slots = []

    def wait_for_open_requests(self) -> None:
        """Wait until requests of killed workers have reached the server or never will."""
        time.sleep(max(0.0, self._last_stop_at + _REQUEST_END_S - time.monotonic()))

    @property
    def workers(self) -> int:
        """Number of workers that are ready or busy."""
        return sum(slot.ready for slot in self._slots)

    @property
    def estimated_unit_s(self) -> float | None:
        """Longest estimated duration of the running units; None without measurements."""
        return max((a.estimated_s for a in self._attempts() if a.items), default=None)

    def run(
        self,
        units: Iterable[Any],
        count: int,
        on_result: OnResult,
        on_tick: Callable[[float], None] = lambda items: None,
        stop: Callable[[], str | None] = lambda: None,
    ) -> None:
        """Run until each of the `count` units has a result.

        `on_tick` receives the items of running units; `stop` returns a reason to stop, or None.

        Raises:
            JobError: units were given up; names them. StoppedError: `stop` returned a reason.
            PlacementError: no worker could start within `startup_timeout_s`.
        """
        self._units: Iterator[Any] = iter(units)
        self._unit_count = count
        self._done, self._given_up, self._no_worker_since = set(), {}, None
        while self._remaining:
            self._assign_all()
            self._handle_events(_POLL_S, on_result)
            self._check_timeouts()
            on_tick(sum(attempt.items for attempt in self._attempts()))
            if self._remaining and stop():
                self._finish_finalizing(on_result)
                if self._remaining and (reason := stop()):
                    raise StoppedError(reason)
        if self._given_up:
            raise JobError(self._summary())

    def _handle_events(self, timeout_s: float, on_result: OnResult) -> None:
        for event in self._backend.wait([slot.worker for slot in self._slots], timeout_s):
            self._handle(event, on_result)

    def _finish_finalizing(self, on_result: OnResult) -> None:
        """Wait some seconds for computed units to be finalized."""
        self._units, self._retries = iter(()), deque()
        until = time.monotonic() + _FINALIZE_TIMEOUT_S
        self._handle_events(0, on_result)
        while time.monotonic() < until and any(attempt.computed for attempt in self._attempts()):
            self._handle_events(_POLL_S, on_result)

    @property
    def _remaining(self) -> int:
        return self._unit_count - len(self._done) - len(self._given_up)

    def _attempts(self) -> list[Attempt]:
        return [attempt for slot in self._slots for attempt in slot.attempts]

    def _assign_all(self) -> None:
        """Assign units to free workers, and start workers up to the useful number."""
        for slot in self._slots:
            self._assign(slot)
        now = time.monotonic()
        if now - self._checked_at > _CAPACITY_CHECK_S:
            self._check_capacity(now)
        target = most_workers(self._backend, self._placement, self._capacity)
        for _ in range(min(target, self._remaining) - len(self._slots)):
            self._slots.append(WorkerSlot(self._backend.start()))

    def _check_capacity(self, now: float) -> None:
        """Update the capacity. Even at 0 a worker is requested, for the autoscaler to see."""
        before, self._capacity, self._checked_at = self._capacity, self._backend.capacity(), now
        if before and not self._capacity:
            limit = f"placement.startup_timeout_s = {self._placement.startup_timeout_s:g} s"
            self._notice(f"no node has capacity for a worker; waiting up to {limit}")

    def _assign(self, slot: WorkerSlot) -> None:
        """Assign the next unit, if the worker is free."""
        if not slot.is_free():
            return
        unit = self._next_concurrent(slot) if slot.attempts else self._next() or self._straggler()
        if unit is not None:
            now = time.monotonic()
            slot.attempts.append(Attempt(unit, now, now))
            self._backend.assign(slot.worker, unit)

    def _next(self) -> Any:
        return self._retries.popleft() if self._retries else next(self._units, None)

    def _next_concurrent(self, slot: WorkerSlot) -> Any:
        """A unit to compute while others are finalized; None if any of those is a retry."""
        lost_before = any(str(attempt.unit) in self._failures for attempt in slot.attempts)
        return None if self._retries or lost_before else next(self._units, None)

    def _straggler(self) -> Any:
        """A slow unit to run a second time; the first result counts."""
        slow = straggler(self._attempts(), self._durations, time.monotonic())
        if slow is not None:
            self._notice(f"{slow.unit}: slow; started a second time on another worker")
        return slow and slow.unit

    def _handle(self, event: WorkerEvent, on_result: OnResult) -> None:
        slot = next((slot for slot in self._slots if slot.worker is event.worker), None)
        if slot is None:
            return
        if event.kind == "ready":
            slot.ready = True
            self._failures.pop(_STARTING, None)  # on spot nodes some fail now and then
        elif event.kind == "died":
            self._handle_death(slot, f"its worker died ({event.value})")
        elif event.kind == "failed" and event.unit is None:
            self._fail(slot, None, event.value)
        elif attempt := slot.attempt_of(event.unit):
            self._handle_attempt(slot, attempt, event, on_result)

    def _handle_attempt(
        self, slot: WorkerSlot, attempt: Attempt, event: WorkerEvent, on_result: OnResult
    ) -> None:
        if event.kind != "items" or event.value != attempt.items:
            attempt.last_progress = time.monotonic()
        match event.kind:
            case "items":
                attempt.items = float(event.value)
            case "computed":
                attempt.computed = True
                self._assign(slot)
            case "done":
                self._finish(slot, attempt, event.value, on_result)
            case "failed":
                self._fail(slot, attempt, event.value)

    def _finish(self, slot: WorkerSlot, attempt: Attempt, result: Any, on_result: OnResult) -> None:
        slot.attempts.remove(attempt)
        name = str(attempt.unit)
        if name in self._done:
            return
        self._done.add(name)
        self._durations.append(time.monotonic() - attempt.started)
        for other in list(self._slots):
            if copy := other.attempt_of(name):
                self._drop(other, copy)
        self._assign(slot)  # before on_result, which may take long
        on_result(result)

    def _fail(self, slot: WorkerSlot, attempt: Attempt | None, error: Exception) -> None:
        transient = isinstance(error, StorageError) and not isinstance(error, DiskFullError)
        if isinstance(error, AigcError) and not transient:
            raise error
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if attempt is None:
            self._drop(slot)
        else:
            slot.attempts.remove(attempt)
        self._count_failure(attempt and attempt.unit, reason, error)

    def _handle_death(self, slot: WorkerSlot, reason: str, cause: Attempt | None = None) -> None:
        """A death with several units counts as a failure of none: the cause is unknown."""
        if cause is None and len(slot.attempts) > 1:
            self.failures += 1
            names = " and ".join(str(attempt.unit) for attempt in slot.attempts)
            self._notice(f"{names}: {reason}; trying again, one at a time")
            self._drop(slot)
            return
        cause = cause or next(iter(slot.attempts), None)
        self._drop(slot, cause)
        self._count_failure(cause and cause.unit, reason, None)

    def _drop(self, slot: WorkerSlot, attempt: Attempt | None = None) -> None:
        """Stop the worker and retry its units, except that of `attempt`."""
        self._backend.stop(slot.worker)
        self._slots.remove(slot)
        self._last_stop_at = time.monotonic()
        for lost in slot.attempts:
            if lost is not attempt and not self._runs_elsewhere(str(lost.unit)):
                self._failures.setdefault(str(lost.unit), 0)
                self._retries.append(lost.unit)

    def _runs_elsewhere(self, name: str) -> bool:
        return any(slot.attempt_of(name) for slot in self._slots)

    def _count_failure(self, unit: Any, reason: str, error: Exception | None) -> None:
        name = _STARTING if unit is None else str(unit)
        if self._runs_elsewhere(name):
            return
        self.failures += 1
        failed = self._failures[name] = self._failures.get(name, 0) + 1
        allowed = self._placement.max_retries
        if failed <= allowed:
            self._notice(f"{name}: {reason}; trying again ({failed} of {allowed})")
            if unit is not None:
                self._retries.append(unit)
            return
        self._given_up[name] = reason
        most = min(_MAX_INITIAL_FAILURES, self._unit_count)
        if unit is None or (len(self._given_up) >= most and not self._done):
            raise error if isinstance(error, AigcError) else JobError(self._summary())
        self._notice(f"{name}: given up after {failed} failures, the last: {reason}")

    def _check_timeouts(self) -> None:
        now = time.monotonic()
        for slot in list(self._slots):
            if overdue := slot.overdue(now, self._placement):
                self._handle_death(slot, overdue[1], overdue[0])
        self._check_startup(now)

    def _check_startup(self, now: float) -> None:
        """Raises PlacementError if there has been no worker for `startup_timeout_s`."""
        if self.workers:
            self._no_worker_since = None
            return
        self._no_worker_since = now if self._no_worker_since is None else self._no_worker_since
        if now - self._no_worker_since <= self._placement.startup_timeout_s:
            return
        why = "the cluster is busy" if self._capacity else "no node is large enough"
        raise PlacementError(
            "no worker could start within placement.startup_timeout_s = "
            f"{self._placement.startup_timeout_s:g}: {why}; try later, reduce "
            "placement.cpus_per_worker or gpus_per_worker, or raise placement.startup_timeout_s"
        )

    def _summary(self) -> str:
        shown = [f"{name}: {why}" for name, why in list(self._given_up.items())[:_SHOWN_FAILURES]]
        tail = f"; and {more} more" if (more := len(self._given_up) - len(shown)) else ""
        return f"given up: {'; '.join(shown)}{tail}. Run the same command again to retry them"
