"""Workers as plain processes of this machine: seconds to start, nothing to install or listen on.

A worker whose driver is gone, however it went, stops.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from queue import SimpleQueue
from typing import Any

from aigc.cpus import usable_cpus
from aigc.errors import PlacementError
from aigc.execution.backend import FINALIZING, Kind, Task, WorkerEvent
from aigc.execution.forking import context, without_main
from aigc.specs import Placement
from aigc.types import Finalizer

_PULSE_S = 1.0


@dataclass(eq=False)
class LocalWorker:
    process: ForkServerProcess
    pipe: Connection
    gpu: str | None = None


class LocalBackend:
    """`setup` is called in each worker and gives the function that runs a unit."""

    grows = False

    def __init__(self, setup: Task, placement: Placement) -> None:
        self._setup, self._room = setup, local_capacity(placement)
        self._at_work = dict.fromkeys(_gpus() if local_gpus(placement) else [], 0)
        self._threads = max(1, int(placement.cpus_per_worker))
        if self._at_work:  # a GPU makes pictures faster than many cores encode them
            self._threads = max(self._threads, usable_cpus() // self._room)

    def capacity(self) -> int:
        return self._room

    def nodes(self) -> int:
        return 1

    def start(self) -> LocalWorker:
        ours, theirs = context.Pipe()
        gpu = min(self._at_work, key=lambda gpu: self._at_work[gpu], default=None)
        if gpu is not None:
            self._at_work[gpu] += 1
        process = context.Process(
            target=_serve, args=(theirs, self._setup, self._threads, gpu), daemon=True
        )
        with without_main():
            process.start()
        theirs.close()
        return LocalWorker(process, ours, gpu)

    def assign(self, worker: LocalWorker, unit: Any) -> None:
        with contextlib.suppress(OSError):  # a dead worker is heard of by `wait`
            worker.pipe.send(unit)

    def wait(self, workers: Sequence[LocalWorker], timeout_s: float) -> list[WorkerEvent]:
        by_pipe = {worker.pipe: worker for worker in workers}
        events = []
        for pipe in wait(list(by_pipe), timeout_s):
            worker = by_pipe[pipe]  # type: ignore[index]
            try:
                kind, value, unit = worker.pipe.recv()
            except (EOFError, OSError):
                worker.process.join(1)
                kind, value, unit = "died", f"exit code {worker.process.exitcode}", None
            events.append(WorkerEvent(worker, kind, value, unit))
        return events

    def stop(self, worker: LocalWorker) -> None:
        worker.process.kill()
        worker.process.join(10)
        worker.pipe.close()
        if worker.gpu is not None:
            self._at_work[worker.gpu] -= 1


def local_gpus(placement: Placement) -> float:
    """How many GPUs each worker gets: as asked, else one where there are any."""
    if placement.gpus_per_worker is not None:
        return placement.gpus_per_worker
    return 1.0 if _gpus() else 0.0


def machine() -> dict[str, float]:
    """The CPUs and GPUs of this machine that this process may use."""
    return {"CPU": float(usable_cpus()), "GPU": float(len(_gpus()))}


def local_capacity(placement: Placement) -> int:
    """How many workers this machine holds.

    Raises:
        PlacementError: not one, or fewer than `placement.workers`.
    """
    gpus, gpus_per_worker = len(_gpus()), local_gpus(placement)
    cpus = usable_cpus()
    room = int(cpus / placement.cpus_per_worker)
    have, needs = f"{cpus} CPU", f"{placement.cpus_per_worker:g} CPU"
    if gpus_per_worker:
        room = min(room, int(gpus / gpus_per_worker))
        have, needs = f"{have} and {gpus} GPU", f"{needs} and {gpus_per_worker:g} GPU"
    if room == 0:
        raise PlacementError(
            f"this machine cannot hold a worker with {needs}: it has {have}; lower "
            "placement.cpus_per_worker or placement.gpus_per_worker, or give --address"
        )
    if (placement.workers or 1) > room:
        raise PlacementError(
            f"placement.workers = {placement.workers}: this machine has room for {room} worker(s) "
            f"with {needs} each; lower placement.workers or give --address"
        )
    return room


def _gpus() -> list[str]:
    """What CUDA calls the GPUs that this process may use."""
    count, visible = _gpu_count(), os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else map(str, range(count))
    return [name.strip() for name in names][:count]


def _gpu_count() -> int:
    import torch  # noqa: PLC0415

    return torch.cuda.device_count()


def _serve(pipe: Connection, setup: Task, threads: int, gpu: str | None) -> None:
    """The life of a worker: units in, results out, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver hears Ctrl-C and decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    units: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, units), daemon=True).start()
    line = _WorkerPipe(pipe)
    try:
        run = setup(threads)
    except Exception as error:  # whatever it is, the driver shall say it
        line.say("failed", _portable(error))
        return
    line.say("ready")
    closer = ThreadPoolExecutor(FINALIZING, "close")
    while True:
        unit = units.get()
        name = str(unit)
        try:
            result = run(unit, line.adder(name))
        except Exception as error:
            line.say("failed", _portable(error), name)
            continue
        if isinstance(result, Finalizer):
            closer.submit(_close, line, name, result)
            line.say("made", unit=name)
        else:
            line.say("done", result, name)


class _WorkerPipe:
    """A worker's end of the pipe, for what it makes and what it closes meanwhile."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._lock = pipe, threading.Lock()

    def say(self, kind: Kind, value: Any = None, unit: str | None = None) -> None:
        with self._lock:
            self._pipe.send((kind, value, unit))

    def adder(self, unit: str) -> Callable[[int], None]:
        items = 0

        def add(count: int) -> None:
            nonlocal items
            items += count
            self.say("items", items, unit)

        return add

    def pulse(self, unit: str) -> Callable[[int], None]:
        """Says that it is alive, whatever it hears, now and then."""
        said = time.monotonic()

        def beat(_: int) -> None:
            nonlocal said
            if time.monotonic() - said > _PULSE_S:
                said = time.monotonic()
                self.say("alive", unit=unit)

        return beat


def _close(line: _WorkerPipe, unit: str, closing: Finalizer[Any]) -> None:
    try:
        result = closing.close(line.pulse(unit))
    except Exception as error:
        line.say("failed", _portable(error), unit)
    else:
        line.say("done", result, unit)


def _listen(pipe: Connection, units: SimpleQueue[Any]) -> None:
    try:
        while True:
            units.put(pipe.recv())
    except (EOFError, OSError):
        os._exit(1)


def _portable(error: Exception) -> Exception:
    """The error itself if it survives a pipe, else one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
