"""`prepare` on this machine or over a cluster.

Ray tasks rather than Ray Data: a chunk's images go straight from its reader to its work file, so
nothing passes through the object store, memory stays that of one chunk a worker, a chunk whose file
exists is done, and each task has its own time limit and retries. On two CPUs a Ray Data pipeline
has to leave CPUs to its own reads and writes; here at most as many tasks as fit are ever submitted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import ray
import ray.exceptions

from aigc import storage
from aigc.data import decode, opening
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
"""Below this, starting Ray costs more than a second process gains."""
_CANCEL_S = 30


def run(
    spec: PrepareSpec,
    address: str | None = None,
    report: Report = silent,
    tell: Callable[[str], None] = lambda line: None,
) -> Json:
    """Make the set at `spec.out`; a finished one of the same spec is left as it is. `tell` is given
    a line on how the source is read before any picture is.

    Small sources are prepared in this process; larger ones, and all when a cluster is named, by Ray
    tasks. Source and out must then be reachable from every node.
    """
    spec = spec.model_copy(
        update={"source": storage.absolute(spec.source), "out": storage.absolute(spec.out)}
    )
    done = core.finished(spec)
    if done is not None:
        return done
    source = opening.open_source(spec)
    tell(f"read as: {source.reading}")
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
    since: float


@dataclass(frozen=True)
class OnRay:
    """Runs a function on each task in worker processes, as many at a time as there are workers."""

    placement: Placement
    workers: Workers

    def __call__(self, function: Callable[[T], R], tasks: Sequence[T]) -> core.Results[R]:
        """Yields results as they come.

        Raises:
            AigcError: whatever one of the project's own errors said in the worker.
            JobError: a task failed, died or ran too long more often than `max_retries`.
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
                    one = running.pop(reference)
                    try:
                        yield ray.get(reference)
                    except ray.exceptions.RayError as error:
                        waiting.append(self._again(one, error))
                for reference in self._late(running):
                    ray.cancel(reference, force=True)
                    waiting.append(self._again(running.pop(reference), None))
        finally:
            for reference in running:
                ray.cancel(reference, force=True)
            if running:
                ray.wait(list(running), num_returns=len(running), timeout=_CANCEL_S)

    def _late(self, running: dict[Any, _Running]) -> list[Any]:
        limit = self.placement.unit_timeout_s + self.placement.startup_timeout_s
        now = time.monotonic()
        return [reference for reference, one in running.items() if now - one.since > limit]

    def _again(self, one: _Running, error: ray.exceptions.RayError | None) -> tuple[int, int]:
        cause = getattr(error, "cause", None)
        if isinstance(cause, AigcError):
            raise cause
        if one.attempt >= self.placement.max_retries:
            limit = f"no result within {self.placement.unit_timeout_s:g} s"
            why = reason(error) if error else limit
            raise JobError(
                f"chunk {one.task} failed {one.attempt + 1} times: {why}; finished "
                "chunks are kept, run the same command again to continue"
            ) from None
        return one.task, one.attempt + 1


def _call(function: Callable[[T], R], task: T) -> R:
    with decode.quiet():
        return function(task)
