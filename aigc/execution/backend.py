"""The interface of worker backends, which start and stop workers; the pool assigns units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from aigc.specs import Placement

FINALIZING = 2
"""Units that a worker finalizes concurrently, in addition to the one it computes."""

Task = Callable[..., Any]
"""setup(threads) -> run, called in the worker; run(unit, on_items) -> result or `Finalizer`."""

Kind = Literal["ready", "items", "computed", "alive", "done", "failed", "died"]


@dataclass(frozen=True)
class WorkerEvent:
    """An event of a worker, or of its unit named `unit`.

    Of the worker: `ready`, or `died` (value: the reason). Of the unit: `items` (value: number of
    items since its start), `computed` (it still has to be finalized), `alive` (it is being
    finalized), `done` (value: the result) or `failed` (value: the exception; without a unit the
    setup failed)."""

    worker: Any
    kind: Kind
    value: Any = None
    unit: str | None = None


class WorkerBackend(Protocol):
    grows: bool
    """Whether capacity may grow when more workers are requested (autoscaling)."""

    def capacity(self) -> int:
        """Number of workers that fit on the machine or cluster now, running ones included."""

    def nodes(self) -> int:
        """Number of machines in use, for the cost."""

    def start(self) -> Any:
        """Start a worker, an object of the backend's own type; a `ready` event follows."""

    def assign(self, worker: Any, unit: Any) -> None:
        """Send a unit to a worker that is ready and has computed its last one; `done`, `failed` or
        `died` follows."""

    def wait(self, workers: Sequence[Any], timeout_s: float) -> list[WorkerEvent]:
        """Events of `workers`, as soon as there are any; empty after `timeout_s`."""

    def stop(self, worker: Any) -> None:
        """Kill a worker."""


def most_workers(backend: WorkerBackend, placement: Placement, capacity: int) -> int:
    """Number of workers to request where `capacity` workers fit now."""
    wanted = placement.max_workers or placement.workers or max(1, capacity)
    return wanted if backend.grows else min(wanted, max(1, capacity))
