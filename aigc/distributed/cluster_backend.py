"""Workers as Ray actors, on any node of a cluster that has room."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from aigc.distributed.ray_errors import reason
from aigc.distributed.session import capacity_for, plan_workers
from aigc.execution.backend import FINALIZING, Kind, Task, WorkerEvent
from aigc.specs import Placement
from aigc.types import Finalizer

_ASK_S = 0.5
"""Between two questions to a worker how far it is."""


class WorkerActor:
    def __init__(self) -> None:
        self._run: Task
        self._at: tuple[str, int] = ("", 0)
        self._closing: dict[str, Finalizer[Any]] = {}
        self._sent: dict[str, int] = {}

    def begin(self, setup: Task, threads: int) -> None:
        """No part of the creation: of what goes wrong there Ray tells the driver text alone."""
        self._run = setup(threads)

    def make(self, unit: Any) -> tuple[Kind, Any]:
        """(`done`, the unit's result), or (`made`, None) when it has to be closed."""
        self._at = (str(unit), 0)
        result = self._run(unit, self._add)
        if not isinstance(result, Finalizer):
            return "done", result
        self._closing[str(unit)] = result
        return "made", None

    @ray.method(concurrency_group="closing")
    def close(self, unit: str) -> Any:
        def add(count: int) -> None:
            self._sent[unit] = self._sent.get(unit, 0) + count

        try:
            return self._closing.pop(unit).close(add)
        finally:
            self._sent.pop(unit, None)

    @ray.method(concurrency_group="asked")
    def far(self) -> tuple[str, int, dict[str, int]]:
        """The unit that is being made, its items, and the bytes sent of those being closed."""
        return *self._at, dict(self._sent)

    def _add(self, count: int) -> None:
        name, items = self._at
        self._at = name, items + count


@dataclass(eq=False)
class ClusterWorker:
    """`awaited` is what each answer is about that is to come, and the unit that it is of; `sent` is
    what it last said of its uploads."""

    actor: Any
    awaited: dict[Any, tuple[Kind, str | None]]
    sent: dict[str, int] = field(default_factory=dict)
    asked_at: float = field(default_factory=time.monotonic)

    def ask(self) -> None:
        """How far it is, if it is at something and was not asked just now."""
        now, kinds = time.monotonic(), {kind for kind, _ in self.awaited.values()}
        if kinds & {"made", "done"} and "items" not in kinds and now >= self.asked_at:
            self.awaited[self.actor.far.remote()] = ("items", None)
            self.asked_at = now + _ASK_S

    def heard(self, unit: str, items: int, sent: dict[str, int]) -> Iterator[WorkerEvent]:
        """What its answer tells."""
        yield WorkerEvent(self, "items", items, unit)
        for closing, count in sent.items():
            if count != self.sent.get(closing):
                yield WorkerEvent(self, "alive", unit=closing)
        self.sent = sent


class ClusterBackend:
    """`setup` is called in each actor and gives the function that runs a unit."""

    grows = True

    def __init__(self, setup: Task, placement: Placement) -> None:
        self._workers = workers = plan_workers(placement)
        self._threads = max(1, int(workers.cpus))
        self._setup = ray.put(setup)
        options: dict[str, Any] = {
            "concurrency_groups": {"asked": 1, "closing": FINALIZING},
            **workers.ray_options,
        }
        self._class: Any = ray.remote(**options)(WorkerActor)

    def capacity(self) -> int:
        return capacity_for(self._workers)

    def nodes(self) -> int:
        return sum(node["Alive"] for node in ray.nodes())  # type: ignore[no-untyped-call]

    def start(self) -> ClusterWorker:
        actor = self._class.remote()
        return ClusterWorker(
            actor, {actor.begin.remote(self._setup, self._threads): ("ready", None)}
        )

    def assign(self, worker: ClusterWorker, unit: Any) -> None:
        worker.awaited[worker.actor.make.remote(unit)] = ("made", str(unit))

    def wait(self, workers: Sequence[ClusterWorker], timeout_s: float) -> list[WorkerEvent]:
        for worker in workers:
            worker.ask()
        known = {ref: worker for worker in workers for ref in worker.awaited}
        # An answer to a question alone need not wake the driver: it is read with the next result.
        waking = [ref for ref, worker in known.items() if worker.awaited[ref][0] != "items"]
        ray.wait(waking, timeout=timeout_s)
        done, _ = ray.wait(list(known), num_returns=len(known), timeout=0)
        return [event for ref in done for event in self._events(known[ref], ref)]

    def stop(self, worker: ClusterWorker) -> None:
        ray.kill(worker.actor)

    def _events(self, worker: ClusterWorker, ref: Any) -> list[WorkerEvent]:
        """What the answer `ref` of `worker` means. An error that the worker's own code raised is a
        failure of the unit; any other error of Ray means that the worker is of no more use."""
        kind, unit = worker.awaited.pop(ref)
        try:
            value = ray.get(ref)
        except RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            return [WorkerEvent(worker, "failed", cause, unit)]
        except RayError as error:
            return [WorkerEvent(worker, "died", reason(error))]
        if kind == "items":
            return list(worker.heard(*value))
        if kind == "made":
            kind, value = value
            if kind == "made":
                worker.awaited[worker.actor.close.remote(unit)] = ("done", unit)
        return [WorkerEvent(worker, kind, value, unit)]
