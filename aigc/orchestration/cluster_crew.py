"""Workers as Ray actors, on any node of a cluster that has room."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from aigc.orchestration.crew import Event, Kind, Task
from aigc.orchestration.session import plan_workers, room_for
from aigc.specs import Placement

_ASK_S = 0.5
"""Between two questions to a worker how far it is."""


class PoolActor:
    def __init__(self, setup: Task, threads: int) -> None:
        self._run, self._items = setup(threads), 0

    def run(self, unit: Any) -> Any:
        self._items = 0
        return self._run(unit, self._add)

    @ray.method(concurrency_group="asked")
    def items(self) -> int:
        return self._items

    def _add(self, count: int) -> None:
        self._items += count


@dataclass(eq=False)
class Worker:
    actor: Any
    ready: Any
    result: Any = None
    asked: Any = None
    asked_at: float = field(default_factory=time.monotonic)

    def refs(self) -> dict[Any, Kind]:
        """What is awaited of it, and what it means when it is there."""
        awaited: list[tuple[Any, Kind]] = [
            (self.ready, "ready"),
            (self.result, "done"),
            (self.asked, "items"),
        ]
        return {ref: kind for ref, kind in awaited if ref is not None}


class ClusterCrew:
    """`setup` is called in each actor and gives the function that runs a unit."""

    def __init__(self, setup: Task, placement: Placement) -> None:
        self._workers = workers = plan_workers(placement)
        self._threads = max(1, int(workers.cpus))
        self._setup = ray.put(setup)
        options: dict[str, Any] = {"concurrency_groups": {"asked": 1}, **workers.ray_options}
        self._class: Any = ray.remote(**options)(PoolActor)

    def room(self) -> int:
        return room_for(self._workers)

    def nodes(self) -> int:
        return sum(node["Alive"] for node in ray.nodes())  # type: ignore[no-untyped-call]

    def start(self) -> Worker:
        actor = self._class.remote(self._setup, self._threads)
        return Worker(actor, actor.__ray_ready__.remote())

    def hand(self, worker: Worker, unit: Any) -> None:
        worker.result = worker.actor.run.remote(unit)

    def wait(self, workers: Sequence[Worker], timeout_s: float) -> list[Event]:
        now = time.monotonic()
        for worker in workers:
            if worker.result is not None and worker.asked is None and now >= worker.asked_at:
                worker.asked, worker.asked_at = worker.actor.items.remote(), now + _ASK_S
        known = {ref: (worker, kind) for worker in workers for ref, kind in worker.refs().items()}
        # An answer to a question alone need not wake the driver: it is read with the next result.
        ray.wait([ref for ref in known if known[ref][1] != "items"], timeout=timeout_s)
        done, _ = ray.wait(list(known), num_returns=len(known), timeout=0)
        return [self._event(*known[ref], ref) for ref in done]

    def stop(self, worker: Worker) -> None:
        ray.kill(worker.actor)

    def _event(self, worker: Worker, kind: Kind, ref: Any) -> Event:
        if kind == "ready":
            worker.ready = None
        elif kind == "done":
            worker.result = worker.asked = None
        else:
            worker.asked = None
        try:
            return Event(worker, kind, ray.get(ref))
        except RayActorError as error:
            return Event(worker, "died", _first_line(error))
        except RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            return Event(worker, "failed", cause)


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
