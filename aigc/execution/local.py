"""Workers as processes of this machine, without Ray.

A worker stops when its driver ends, however it ends.
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

_ALIVE_EVERY_S = 1.0


@dataclass(eq=False)
class LocalWorker:
    process: ForkServerProcess
    pipe: Connection
    gpu: str | None = None


class LocalBackend:
    """Starts worker processes; `setup`, called in each, returns the function that runs a unit."""

    grows = False

    def __init__(self, setup: Task, placement: Placement) -> None:
        self._setup, self._capacity = setup, local_capacity(placement)
        self._workers_per_gpu = dict.fromkeys(_gpus() if local_gpus(placement) else [], 0)
        self._threads = max(1, int(placement.cpus_per_worker))
        if self._workers_per_gpu:  # a GPU generates faster than many cores encode
            self._threads = max(self._threads, usable_cpus() // self._capacity)

    def capacity(self) -> int:
        return self._capacity

    def nodes(self) -> int:
        return 1

    def start(self) -> LocalWorker:
        ours, theirs = context.Pipe()
        gpu = min(self._workers_per_gpu, key=lambda gpu: self._workers_per_gpu[gpu], default=None)
        if gpu is not None:
            self._workers_per_gpu[gpu] += 1
        process = context.Process(
            target=_run_worker, args=(theirs, self._setup, self._threads, gpu), daemon=True
        )
        with without_main():
            process.start()
        theirs.close()
        return LocalWorker(process, ours, gpu)

    def assign(self, worker: LocalWorker, unit: Any) -> None:
        with contextlib.suppress(OSError):  # `wait` reports a dead worker
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
            self._workers_per_gpu[worker.gpu] -= 1


def local_gpus(placement: Placement) -> float:
    """GPUs per worker: as set, else 1 if this machine has any."""
    if placement.gpus_per_worker is not None:
        return placement.gpus_per_worker
    return 1.0 if _gpus() else 0.0


def machine() -> dict[str, float]:
    """The CPUs and GPUs of this machine that this process may use."""
    return {"CPU": float(usable_cpus()), "GPU": float(len(_gpus()))}


def local_capacity(placement: Placement) -> int:
    """The number of workers that fit on this machine.

    Raises:
        PlacementError: it is 0, or less than `placement.workers`.
    """
    gpus, gpus_per_worker = len(_gpus()), local_gpus(placement)
    cpus = usable_cpus()
    capacity = int(cpus / placement.cpus_per_worker)
    available, needs = f"{cpus} CPU", f"{placement.cpus_per_worker:g} CPU"
    if gpus_per_worker:
        capacity = min(capacity, int(gpus / gpus_per_worker))
        available, needs = f"{available} and {gpus} GPU", f"{needs} and {gpus_per_worker:g} GPU"
    if capacity == 0:
        raise PlacementError(
            f"this machine cannot hold a worker with {needs}: it has {available}; lower "
            "placement.cpus_per_worker or placement.gpus_per_worker, or give --address"
        )
    if (placement.workers or 1) > capacity:
        raise PlacementError(
            f"placement.workers = {placement.workers}: this machine has capacity for {capacity} "
            f"worker(s) with {needs} each; lower placement.workers or give --address"
        )
    return capacity


def _gpus() -> list[str]:
    """CUDA's names of the GPUs that this process may use."""
    count, visible = _gpu_count(), os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else map(str, range(count))
    return [name.strip() for name in names][:count]


def _gpu_count() -> int:
    import torch  # noqa: PLC0415

    return torch.cuda.device_count()


def _run_worker(pipe: Connection, setup: Task, threads: int, gpu: str | None) -> None:
    """Main loop of a worker: receives units and sends events until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver handles Ctrl-C
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    units: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_receive_units, args=(pipe, units), daemon=True).start()
    sender = _EventSender(pipe)
    try:
        run = setup(threads)
    except Exception as error:  # the driver reports it, whatever it is
        sender.send("failed", _portable(error))
        return
    sender.send("ready")
    finalizers = ThreadPoolExecutor(FINALIZING, "close")
    while True:
        unit = units.get()
        name = str(unit)
        try:
            result = run(unit, sender.progress_callback(name))
        except Exception as error:
            sender.send("failed", _portable(error), name)
            continue
        if isinstance(result, Finalizer):
            finalizers.submit(_finalize, sender, name, result)
            sender.send("computed", unit=name)
        else:
            sender.send("done", result, name)


class _EventSender:
    """Sends events of the computing and the finalizing threads through the worker's pipe."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._lock = pipe, threading.Lock()

    def send(self, kind: Kind, value: Any = None, unit: str | None = None) -> None:
        with self._lock:
            self._pipe.send((kind, value, unit))

    def progress_callback(self, unit: str) -> Callable[[int], None]:
        items = 0

        def add(count: int) -> None:
            nonlocal items
            items += count
            self.send("items", items, unit)

        return add

    def alive_callback(self, unit: str) -> Callable[[int], None]:
        """A callback that sends `alive`, at most once per `_ALIVE_EVERY_S`."""
        sent_at = time.monotonic()

        def report(_: int) -> None:
            nonlocal sent_at
            if time.monotonic() - sent_at > _ALIVE_EVERY_S:
                sent_at = time.monotonic()
                self.send("alive", unit=unit)

        return report


def _finalize(sender: _EventSender, unit: str, finalizer: Finalizer[Any]) -> None:
    try:
        result = finalizer.close(sender.alive_callback(unit))
    except Exception as error:
        sender.send("failed", _portable(error), unit)
    else:
        sender.send("done", result, unit)


def _receive_units(pipe: Connection, units: SimpleQueue[Any]) -> None:
    try:
        while True:
            units.put(pipe.recv())
    except (EOFError, OSError):
        os._exit(1)


def _portable(error: Exception) -> Exception:
    """The error itself if it can be pickled, else a RuntimeError with the same message."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
