"""Runs `prepare` on this machine or on a cluster.

Ray tasks rather than Ray Data: each task reads a chunk and writes its work file, so nothing passes
through the object store, memory is bounded by one chunk per worker, a chunk whose file exists is
done, and each task has its own timeout and retries. A Ray Data pipeline needs CPUs for its own
reads and writes, which two CPUs do not leave.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import ray
import ray.exceptions

from aigc import storage
from aigc.data import kinds, opening
from aigc.data import prepare as core
from aigc.distributed.address import named
from aigc.distributed.ray_errors import reason
from aigc.distributed.session import Workers, connect, plan_workers
from aigc.errors import AigcError, JobError
from aigc.specs import Placement, PrepareSpec
from aigc.types import Json, Report, silent

T = TypeVar("T")
R = TypeVar("R")

SMALL_BYTES = 512 * 2**20
"""Below this size, starting Ray costs more time than a second process saves."""
_CANCEL_S = 30


def run(
    spec: PrepareSpec,
    address: str | None = None,
    report: Report = silent,
    notice: Callable[[str], None] = lambda line: None,
) -> Json:
    """Make the data set at `spec.out`; a finished one of the same spec is left unchanged. `notice`
    receives a line on how the source is read, before its files are.

    Small sources are prepared in this process; larger ones, or if a cluster is named, by Ray tasks.
    Source and out must then be reachable from every node.
    """
    spec = spec.model_copy(
        update={"source": storage.absolute(spec.source), "out": storage.absolute(spec.out)}
    )
    done = core.finished(spec)
    if done is not None:
        return done
    source = opening.open_source(spec)
    notice(f"read as: {source.reading}")
    asked = named(address) or spec.placement.workers
    if not asked and source.size_bytes < SMALL_BYTES:
        return core.prepare(spec, source, core.in_process, report)
    with connect(address):
        placement = spec.placement.model_copy(
            update={"gpus_per_worker": spec.placement.gpus_per_worker or 0}
        )
        workers = plan_workers(placement, units=max(1, len(source.chunks)))
        return core.prepare(spec, source, OnRay(placement, workers), report)


@dataclass
class _Running:
    task: int
    attempt: int
    started: float


@dataclass(frozen=True)
class OnRay:
    """Runs a function on each task in worker processes, one task per worker at a time."""

    placement: Placement
    workers: Workers

    def __call__(self, function: Callable[[T], R], tasks: Sequence[T]) -> core.Results[R]:
        """Yield results as tasks finish.

        Raises:
            AigcError: raised by a task.
            JobError: a task failed, died or timed out more often than `max_retries`.
        """
        remote: Any = ray.remote(_call).options(max_retries=0, **self.workers.ray_options)
        waiting = [(number, 0) for number in reversed(range(len(tasks)))]
        running: dict[Any, _Running] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self.workers.count:
                    number, attempt = waiting.pop()
                    reference = remote.remote(function, tasks[number])
                    running[reference] = _Running(number, attempt, time.monotonic())
                ready, _ = ray.wait(list(running), num_returns=1, timeout=1.0)
                for reference in ready:
                    current = running.pop(reference)
                    try:
                        yield ray.get(reference)
                    except ray.exceptions.RayError as error:
                        waiting.append(self._retry(current, error))
                for reference in self._overdue(running):
                    ray.cancel(reference, force=True)
                    waiting.append(self._retry(running.pop(reference), None))
        finally:
            for reference in running:
                ray.cancel(reference, force=True)
            if running:
                ray.wait(list(running), num_returns=len(running), timeout=_CANCEL_S)

    def _overdue(self, running: dict[Any, _Running]) -> list[Any]:
        limit = self.placement.unit_timeout_s + self.placement.startup_timeout_s
        now = time.monotonic()
        return [
            reference for reference, current in running.items() if now - current.started > limit
        ]

    def _retry(self, current: _Running, error: ray.exceptions.RayError | None) -> tuple[int, int]:
        cause = getattr(error, "cause", None)
        if isinstance(cause, AigcError):
            raise cause
        if current.attempt >= self.placement.max_retries:
            limit = f"no result within {self.placement.unit_timeout_s:g} s"
            why = reason(error) if error else limit
            raise JobError(
                f"chunk {current.task} failed {current.attempt + 1} times: {why}; finished "
                "chunks are kept, run the same command again to continue"
            ) from None
        return current.task, current.attempt + 1


def _call(function: Callable[[T], R], task: T) -> R:
    with kinds.quiet():
        return function(task)
