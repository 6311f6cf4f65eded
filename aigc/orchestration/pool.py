"""Units of work over Ray actors: bounded waits, bounded retries, and no unit lost.

Why not Ray Data: a unit here commits itself, so the scheduler needs no output, no ordering and no
object store; and an actor pool that holds every CPU starves Ray Data's own tasks on small machines.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

from aigc.errors import AigcError, JobError, PlacementError, StorageError
from aigc.orchestration.session import Workers
from aigc.specs import Placement
from aigc.types import Notice

_POLL_S = 0.5


@dataclass
class _Worker:
    """An actor, and what it is doing: `unit` since `since`, answered through `result`."""

    actor: Any
    ready: Any
    unit: Any = None
    result: Any = None
    since: float = field(default_factory=time.monotonic)
    items: float = 0.0


class Pool:
    """Runs `actor.run(unit)` for every unit; actors also answer `actor.items()`, work done so far.

    A unit that fails, times out or loses its worker is run again, up to `max_retries` times.
    """

    def __init__(self, make_actor: Callable[[], Any], placement: Placement) -> None:
        self._make_actor = make_actor
        self._placement = placement
        self._queue: deque[Any] = deque()
        self._failures: dict[Any, int] = {}
        self._workers: list[_Worker] = []

    def run(
        self,
        units: Iterable[Any],
        workers: Workers,
        on_result: Callable[[Any], None],
        on_tick: Callable[[float], None],
        notice: Notice,
    ) -> None:
        """Until every unit has a result. `on_tick` hears the items of units still under way.

        Raises:
            JobError: a unit failed too often; what failed and why.
            PlacementError: no worker could start within `wait_s`.
        """
        self._queue.extend(units)
        self._notice = notice
        try:
            self._workers = [self._start() for _ in range(min(workers.count, len(self._queue)))]
            while self._queue or any(worker.unit is not None for worker in self._workers):
                self._hand_out()
                self._collect(on_result)
                on_tick(sum(worker.items for worker in self._workers))
        finally:
            for worker in self._workers:
                ray.kill(worker.actor)

    def _start(self) -> _Worker:
        actor = self._make_actor()
        return _Worker(actor, actor.items.remote())

    def _hand_out(self) -> None:
        for worker in self._workers:
            if worker.ready is None and worker.unit is None and self._queue:
                worker.unit = self._queue.popleft()
                worker.result = worker.actor.run.remote(worker.unit)
                worker.since, worker.items = time.monotonic(), 0.0

    def _collect(self, on_result: Callable[[Any], None]) -> None:
        waiting = [w.ready if w.ready is not None else w.result for w in self._workers]
        pending = [ref for ref in waiting if ref is not None]
        done, _ = ray.wait(pending, num_returns=1, timeout=_POLL_S)
        for worker in list(self._workers):
            try:
                if worker.ready is not None:
                    self._await_start(worker, started=worker.ready in done)
                elif worker.result in done:
                    result = ray.get(worker.result)
                    worker.unit, worker.result, worker.items = None, None, 0.0
                    on_result(result)
                elif worker.unit is not None:
                    self._watch(worker)
            except RayActorError as error:
                self._replace(worker, f"its worker died ({_first_line(error)})")
            except RayTaskError as error:
                self._retry_or_raise(worker, error)

    def _await_start(self, worker: _Worker, *, started: bool) -> None:
        if started:
            ray.get(worker.ready)
            worker.ready = None
        elif time.monotonic() - worker.since > self._placement.wait_s:
            if any(other.ready is None for other in self._workers):
                ray.kill(worker.actor)
                self._workers.remove(worker)
                return
            free = ray.available_resources().get("CPU", 0)  # type: ignore[no-untyped-call]
            raise PlacementError(
                f"no worker could start within placement.wait_s = {self._placement.wait_s:g}: the "
                f"cluster is busy ({free:g} CPU free); try later, or raise placement.wait_s"
            )

    def _watch(self, worker: _Worker) -> None:
        took = time.monotonic() - worker.since
        if took > self._placement.timeout_s:
            self._replace(worker, f"no result after timeout_s = {self._placement.timeout_s:g}")
            return
        try:
            worker.items = ray.get(worker.actor.items.remote(), timeout=_POLL_S)
        except GetTimeoutError:
            return

    def _replace(self, worker: _Worker, reason: str) -> None:
        ray.kill(worker.actor)
        unit = worker.unit
        self._workers[self._workers.index(worker)] = self._start()
        if unit is None:
            self._count_failure("a worker that was starting", reason, None)
        else:
            self._count_failure(unit, reason, None)
            self._queue.appendleft(unit)

    def _retry_or_raise(self, worker: _Worker, error: RayTaskError) -> None:
        cause = error.cause if isinstance(error.cause, Exception) else error
        if isinstance(cause, AigcError) and not isinstance(cause, StorageError):
            raise cause
        self._count_failure(worker.unit, _first_line(cause), cause)
        self._queue.append(worker.unit)
        worker.unit, worker.result = None, None
        if worker.ready is not None:
            worker.ready = worker.actor.items.remote()

    def _count_failure(self, unit: Any, reason: str, cause: Exception | None) -> None:
        key = str(unit)
        self._failures[key] = self._failures.get(key, 0) + 1
        failed, allowed = self._failures[key], self._placement.max_retries
        if failed > allowed:
            if isinstance(cause, AigcError):
                raise cause
            raise JobError(f"{unit}: failed {failed} times, last because {reason}")
        self._notice(f"{unit}: {reason}; trying again ({failed} of {allowed})")


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
