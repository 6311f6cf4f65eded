"""Workers as Ray actors, on any node of a cluster that has capacity."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from aigc.distributed.ray_errors import reason
from aigc.distributed.session import capacity_for, plan_workers
from aigc.execution.backend import FINALIZING, Kind, Task, WorkerEvent
from aigc.provenance.secrets import Secrets
from aigc.specs import Placement
from aigc.types import Finalizer

_PROGRESS_INTERVAL_S = 0.5
"""Seconds between two progress requests to a worker."""


class WorkerActor:
    def __init__(self) -> None:
        self._run: Task
        self._current: tuple[str, int] = ("", 0)
        self._finalizers: dict[str, Finalizer[Any]] = {}
        self._sent: dict[str, int] = {}

    def begin(self, setup: Task, threads: int, secrets: Secrets | None = None) -> None:
        """Set up the worker. Not in __init__, whose errors reach the driver as text only."""
        if secrets is not None:
            secrets.adopt(os.environ)
        self._run = setup(threads)

    def make(self, unit: Any) -> tuple[Kind, Any]:
        """Run `unit`: (`done`, result), or (`computed`, None) if it has to be finalized."""
        self._current = (str(unit), 0)
        result = self._run(unit, self._add)
        if not isinstance(result, Finalizer):
            return "done", result
        self._finalizers[str(unit)] = result
        return "computed", None

    @ray.method(concurrency_group="finalize")
    def close(self, unit: str) -> Any:
        def add(count: int) -> None:
            self._sent[unit] = self._sent.get(unit, 0) + count

        try:
            return self._finalizers.pop(unit).close(add)
        finally:
            self._sent.pop(unit, None)

    @ray.method(concurrency_group="progress")
    def progress(self) -> tuple[str, int, dict[str, int]]:
        """The unit being computed, its items so far, and the bytes sent per finalizing unit."""
        return *self._current, dict(self._sent)

    def _add(self, count: int) -> None:
        name, items = self._current
        self._current = name, items + count


@dataclass(eq=False)
class ClusterWorker:
    """`awaited` maps each pending reference to its event kind and unit; `sent` holds the last
    reported bytes sent per finalizing unit."""

    actor: Any
    awaited: dict[Any, tuple[Kind, str | None]]
    sent: dict[str, int] = field(default_factory=dict)
    next_request_at: float = field(default_factory=time.monotonic)

    def request_progress(self) -> None:
        """Request progress, if the worker is busy and was not asked just now."""
        now, kinds = time.monotonic(), {kind for kind, _ in self.awaited.values()}
        if kinds & {"computed", "done"} and "items" not in kinds and now >= self.next_request_at:
            self.awaited[self.actor.progress.remote()] = ("items", None)
            self.next_request_at = now + _PROGRESS_INTERVAL_S

    def progress_events(self, unit: str, items: int, sent: dict[str, int]) -> Iterator[WorkerEvent]:
        """The events of an answer of `WorkerActor.progress`."""
        yield WorkerEvent(self, "items", items, unit)
        for finalizing, count in sent.items():
            if count != self.sent.get(finalizing):
                yield WorkerEvent(self, "alive", unit=finalizing)
        self.sent = sent


class ClusterBackend:
    """`setup` is called in each actor and gives the function that runs a unit.

    `secrets` become part of the actors' environment before that. They go as an argument of their
    own, which Ray keeps in memory: what is put into its object store may be spilled to disk.
    """

    grows = True

    def __init__(self, setup: Task, placement: Placement, secrets: Secrets | None = None) -> None:
        self._secrets = secrets
        self._workers = workers = plan_workers(placement)
        self._threads = max(1, int(workers.cpus))
        self._setup = ray.put(setup)
        options: dict[str, Any] = {
            "concurrency_groups": {"progress": 1, "finalize": FINALIZING},
            **workers.ray_options,
        }
        self._class: Any = ray.remote(**options)(WorkerActor)

    def capacity(self) -> int:
        return capacity_for(self._workers)

    def nodes(self) -> int:
        return sum(node["Alive"] for node in ray.nodes())  # type: ignore[no-untyped-call]

    def start(self) -> ClusterWorker:
        actor = self._class.remote()
        ready = actor.begin.remote(self._setup, self._threads, self._secrets)
        return ClusterWorker(actor, {ready: ("ready", None)})

    def assign(self, worker: ClusterWorker, unit: Any) -> None:
        worker.awaited[worker.actor.make.remote(unit)] = ("computed", str(unit))

    def wait(self, workers: Sequence[ClusterWorker], timeout_s: float) -> list[WorkerEvent]:
        for worker in workers:
            worker.request_progress()
        known = {ref: worker for worker in workers for ref in worker.awaited}
        # Progress alone does not wake the driver; it is read with the next result.
        waking = [ref for ref, worker in known.items() if worker.awaited[ref][0] != "items"]
        ray.wait(waking, timeout=timeout_s)
        done, _ = ray.wait(list(known), num_returns=len(known), timeout=0)
        return [event for ref in done for event in self._events(known[ref], ref)]

    def stop(self, worker: ClusterWorker) -> None:
        ray.kill(worker.actor)

    def _events(self, worker: ClusterWorker, ref: Any) -> list[WorkerEvent]:
        """The events of the answer `ref` of `worker`. An error raised by the worker's own code is a
        failure of the unit; any other error of Ray means that the worker died."""
        kind, unit = worker.awaited.pop(ref)
        try:
            value = ray.get(ref)
        except RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            return [WorkerEvent(worker, "failed", cause, unit)]
        except RayError as error:
            return [WorkerEvent(worker, "died", reason(error))]
        if kind == "items":
            return list(worker.progress_events(*value))
        if kind == "computed":
            kind, value = value
            if kind == "computed":
                worker.awaited[worker.actor.close.remote(unit)] = ("done", unit)
        return [WorkerEvent(worker, kind, value, unit)]
