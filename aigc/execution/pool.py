"""Units of work over a crew of workers: bounded waits, bounded retries, and no unit lost.

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
"""Between two looks at how much room the cluster has."""
_STARTING = "a worker that was starting"
_HOPELESS = 3
"""So many units given up before any succeeded, and the rest is not tried."""
_SHOWN_FAILURES = 3
_CLOSING_S = 10.0
"""A job that is stopped waits for so long for what is being closed."""
_ENDING_S = 2.0
"""A server may go on for so long with a request whose sender was stopped."""


class StoppedError(JobError):
    """The job was stopped on purpose."""


class WorkerPool:
    """Runs every unit on some worker, and keeps the workers until it is left.

    A worker makes its next unit while it closes those before. A unit that fails, times out or loses
    its worker is run again, up to `max_retries` times; then it is given up and the rest goes on.
    Whatever is run again has a worker for itself, so it is known which unit to blame.
    """

    def __init__(self, backend: WorkerBackend, placement: Placement, notice: Notice) -> None:
        self._backend, self._placement, self._notice = backend, placement, notice
        self._again: deque[Any] = deque()
        self._failures: dict[str, int] = {}
        """Of a unit; 0 when its worker was lost and it is not known to be to blame."""
        self.failures = 0
        """Of attempts at units and at starting workers."""
        self._given_up: dict[str, str] = {}
        self._done: set[str] = set()
        self._count = 0
        self._took: deque[float] = deque(maxlen=1000)
        self._slots: list[WorkerSlot] = []
        self._checked_at, self._capacity = -_CAPACITY_CHECK_S, 1
        self._none_since: float | None = None
        self._cut_at = -_ENDING_S

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *exception: object) -> None:
        for slot in self._slots:
            self._backend.stop(slot.worker)
        self._slots = []

    def let_requests_end(self) -> None:
        """What stopped workers had just sent to a server is there afterwards, or never will be."""
        time.sleep(max(0.0, self._cut_at + _ENDING_S - time.monotonic()))

    @property
    def workers(self) -> int:
        """How many are at work or ready for it."""
        return sum(slot.ready for slot in self._slots)

    @property
    def unit_s(self) -> float | None:
        """How long the units under way take by their pace so far; None when it cannot be told."""
        told = [a for a in self._attempts() if hasattr(a.unit, "items") and a.items]
        return max(((a.beat - a.since) * a.unit.items / a.items for a in told), default=None)

    def run(
        self,
        units: Iterable[Any],
        count: int,
        on_result: OnResult,
        on_tick: Callable[[float], None] = lambda items: None,
        stop: Callable[[], str | None] = lambda: None,
    ) -> None:
        """Until each of the `count` units has a result.

        `on_tick` hears the items of units still under way; `stop` may give a reason to stop.

        Raises:
            JobError: units were given up; which, and why. StoppedError: `stop` said so.
            PlacementError: no worker could start within `startup_timeout_s`.
        """
        self._units: Iterator[Any] = iter(units)
        self._count = count
        self._done, self._given_up, self._none_since = set(), {}, None
        while self._left:
            self._assign_all()
            self._handle_events(_POLL_S, on_result)
            self._check_times()
            on_tick(sum(attempt.items for attempt in self._attempts()))
            if self._left and stop():
                self._finish_finalizing(on_result)
                if self._left and (reason := stop()):
                    raise StoppedError(reason)
        if self._given_up:
            raise JobError(self._summary())

    def _handle_events(self, timeout_s: float, on_result: OnResult) -> None:
        for event in self._backend.wait([slot.worker for slot in self._slots], timeout_s):
            self._handle(event, on_result)

    def _finish_finalizing(self, on_result: OnResult) -> None:
        """What is made, and closed within some seconds, counts; it may be all that was left."""
        self._units, self._again = iter(()), deque()
        until = time.monotonic() + _CLOSING_S
        self._handle_events(0, on_result)
        while time.monotonic() < until and any(attempt.made for attempt in self._attempts()):
            self._handle_events(_POLL_S, on_result)

    @property
    def _left(self) -> int:
        return self._count - len(self._done) - len(self._given_up)

    def _attempts(self) -> list[Attempt]:
        return [attempt for slot in self._slots for attempt in slot.attempts]

    def _assign_all(self) -> None:
        """Hand out what is left, and keep the crew as large as is useful."""
        for slot in self._slots:
            self._assign(slot)
        now = time.monotonic()
        if now - self._checked_at > _CAPACITY_CHECK_S:
            self._check_capacity(now)
        wanted = most_workers(self._backend, self._placement, self._capacity)
        for _ in range(min(wanted, self._left) - len(self._slots)):
            self._slots.append(WorkerSlot(self._backend.start()))

    def _check_capacity(self, now: float) -> None:
        """A worker is asked for even where there is no room: that is what an autoscaler acts on."""
        before, self._capacity, self._checked_at = self._capacity, self._backend.capacity(), now
        if before and not self._capacity:
            wait_s = self._placement.startup_timeout_s
            self._notice(
                f"no node holds a worker; waiting up to placement.startup_timeout_s = {wait_s:g} s"
            )

    def _assign(self, slot: WorkerSlot) -> None:
        """The next unit, if the worker may have one."""
        if not slot.is_free():
            return
        unit = self._next_concurrent(slot) if slot.attempts else self._next() or self._straggler()
        if unit is not None:
            now = time.monotonic()
            slot.attempts.append(Attempt(unit, now, now))
            self._backend.assign(slot.worker, unit)

    def _next(self) -> Any:
        return self._again.popleft() if self._again else next(self._units, None)

    def _next_concurrent(self, slot: WorkerSlot) -> Any:
        """A unit to make beside some that are being closed; None when any was lost before."""
        lost_before = any(str(attempt.unit) in self._failures for attempt in slot.attempts)
        return None if self._again or lost_before else next(self._units, None)

    def _straggler(self) -> Any:
        """A unit that takes suspiciously long and runs only once; the first result will count."""
        slow = straggler(self._attempts(), self._took, time.monotonic())
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
            self._lose(slot, f"its worker died ({event.value})")
        elif event.kind == "failed" and event.unit is None:
            self._fail(slot, None, event.value)
        elif attempt := slot.at(event.unit):
            self._handle_attempt(slot, attempt, event, on_result)

    def _handle_attempt(
        self, slot: WorkerSlot, attempt: Attempt, event: WorkerEvent, on_result: OnResult
    ) -> None:
        if event.kind != "items" or event.value != attempt.items:
            attempt.beat = time.monotonic()
        match event.kind:
            case "items":
                attempt.items = float(event.value)
            case "made":
                attempt.made = True
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
        self._took.append(time.monotonic() - attempt.since)
        for other in list(self._slots):
            if copy := other.at(name):
                self._drop(other, copy)
        self._assign(slot)  # what is left to do here, it need not wait for
        on_result(result)

    def _fail(self, slot: WorkerSlot, attempt: Attempt | None, error: Exception) -> None:
        passing = isinstance(error, StorageError) and not isinstance(error, DiskFullError)
        if isinstance(error, AigcError) and not passing:
            raise error
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if attempt is None:
            self._drop(slot)
        else:
            slot.attempts.remove(attempt)
        self._count_failure(attempt and attempt.unit, reason, error)

    def _lose(self, slot: WorkerSlot, reason: str, blamed: Attempt | None = None) -> None:
        """Which of several units a worker died of is not known: none is counted a failure."""
        if blamed is None and len(slot.attempts) > 1:
            self.failures += 1
            names = " and ".join(str(attempt.unit) for attempt in slot.attempts)
            self._notice(f"{names}: {reason}; trying again, one at a time")
            self._drop(slot)
            return
        blamed = blamed or next(iter(slot.attempts), None)
        self._drop(slot, blamed)
        self._count_failure(blamed and blamed.unit, reason, None)

    def _drop(self, slot: WorkerSlot, attempt: Attempt | None = None) -> None:
        """Stop the worker; what it was at is to be run again, all but `attempt`."""
        self._backend.stop(slot.worker)
        self._slots.remove(slot)
        self._cut_at = time.monotonic()
        for lost in slot.attempts:
            if lost is not attempt and not self._runs_elsewhere(str(lost.unit)):
                self._failures.setdefault(str(lost.unit), 0)
                self._again.append(lost.unit)

    def _runs_elsewhere(self, name: str) -> bool:
        return any(slot.at(name) for slot in self._slots)

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
                self._again.append(unit)
            return
        self._given_up[name] = reason
        hopeless = len(self._given_up) >= min(_HOPELESS, self._count) and not self._done
        if unit is None or hopeless:
            raise error if isinstance(error, AigcError) else JobError(self._summary())
        self._notice(f"{name}: given up after {failed} failures, the last: {reason}")

    def _check_times(self) -> None:
        now = time.monotonic()
        for slot in list(self._slots):
            if late := slot.overdue(now, self._placement):
                self._lose(slot, late[1], late[0])
        self._check_wait(now)

    def _check_wait(self, now: float) -> None:
        """Raises PlacementError if there has been no worker for `startup_timeout_s`."""
        if self.workers:
            self._none_since = None
            return
        self._none_since = now if self._none_since is None else self._none_since
        if now - self._none_since <= self._placement.startup_timeout_s:
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
