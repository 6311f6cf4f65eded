"""Units of work for pool tests: they run in real workers, so they are importable by name."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aigc.errors import SpecError, StorageError
from aigc.execution.backend import FINALIZING, WorkerEvent
from aigc.types import Finalizer, OnBytes
from tests.waiting import wait_until

SLOW_S = 4


@dataclass(frozen=True)
class Unit:
    number: int
    folder: str
    does: str = "work"
    """`meet` waits for a unit of another worker. `overlap` and `creep` are ends: one waits for the
    beginning of the unit FINALIZING later, the other takes SLOW_S in small steps."""
    times: int = 1
    """How many attempts do what `does` says, before one just works."""
    closes: bool = False
    """Whether it is at the end, when all is made, that it does so."""

    def __str__(self) -> str:
        return f"unit {self.number}"

    def attempts(self) -> int:
        return len(list(Path(self.folder).glob(f"{self.number}-*")))


def setup(threads: int):
    return run


def where_setup(threads: int):
    """Workers that say which GPU they were given."""
    return lambda unit, on_items: os.environ.get("CUDA_VISIBLE_DEVICES")


def threads_setup(threads: int):
    """Workers that say how many threads they were given."""
    return lambda unit, on_items: threads


def broken_setup(threads: int):
    raise SpecError("gates.memorisation.data = nowhere: not found")


def run(unit: Unit, on_items):
    earlier, folder = unit.attempts(), Path(unit.folder)
    (folder / f"{unit.number}-{os.getpid()}-{time.monotonic_ns()}").touch()
    on_items(1)
    trouble = unit.does if earlier < unit.times else "work"
    if trouble == "meet":
        wait_until(lambda: any(f"-{os.getpid()}-" not in p.name for p in folder.iterdir()))
    if not unit.closes:
        _misbehave(trouble)
    time.sleep(0.05)
    on_items(1)
    return Finalizer(partial(_close, unit, trouble)) if unit.closes else unit.number


def _close(unit: Unit, trouble: str, on_bytes: OnBytes) -> int:
    for _ in range(SLOW_S * 10 if trouble == "creep" else 0):
        on_bytes(1)
        time.sleep(0.1)
    if trouble == "overlap":
        later = f"{unit.number + FINALIZING}-*"
        wait_until(lambda: list(Path(unit.folder).glob(later)))
    _misbehave(trouble)
    (Path(unit.folder) / f"closed-{unit.number}-{time.monotonic_ns()}").touch()
    return unit.number


def _misbehave(does: str) -> None:
    match does:
        case "work" | "meet" | "creep" | "overlap":
            pass
        case "fail":
            raise StorageError("s3://b/k: S3 does not answer")
        case "crash":
            raise ZeroDivisionError("a bug")
        case "refuse":
            raise SpecError("labels: the model has no 'cat'")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            time.sleep(3600)


class PaperBackend:
    """A backend whose workers are entries in a list: the first `room` of them live, and a unit
    takes `looks` at them. Those whose number of start is in `dying` die before they are ready."""

    grows = True

    def __init__(self, rooms: Iterator[int], dying: Container[int] = (), looks: int = 1) -> None:
        self._rooms, self._room, self._dying, self._looks = rooms, 0, dying, looks
        self.started: list[PaperWorker] = []
        self.most = 0

    def capacity(self) -> int:
        self._room = next(self._rooms, self._room)
        return self._room

    def nodes(self) -> int:
        return max(1, self._room)

    def start(self) -> PaperWorker:
        self.started.append(PaperWorker(len(self.started) in self._dying))
        return self.started[-1]

    def assign(self, worker: PaperWorker, unit: Any) -> None:
        worker.unit, worker.looks = unit, 0

    def wait(self, workers: Sequence[PaperWorker], timeout_s: float) -> list[WorkerEvent]:
        time.sleep(0.01)
        events = []
        for number, worker in enumerate(workers):
            if number >= self._room and not worker.ready:
                continue
            if number >= self._room or worker.dying:
                events.append(WorkerEvent(worker, "died", "its node went"))
            elif not worker.ready:
                worker.ready = True
                events.append(WorkerEvent(worker, "ready"))
            elif worker.unit is not None and worker.looks + 1 < self._looks:
                worker.looks += 1
                events.append(WorkerEvent(worker, "items", worker.looks, str(worker.unit)))
            elif worker.unit is not None:
                unit, worker.unit = worker.unit, None
                events.append(WorkerEvent(worker, "done", unit, str(unit)))
        self.most = max(self.most, sum(worker.ready for worker in workers))
        return events

    def stop(self, worker: PaperWorker) -> None:
        """Paper does not mind."""


@dataclass(eq=False)
class PaperWorker:
    dying: bool = False
    ready: bool = False
    unit: Any = None
    looks: int = 0
