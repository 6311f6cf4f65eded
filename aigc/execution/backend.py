"""Where a job's workers live: a crew starts, hears and stops them; the pool says what they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from aigc.specs import Placement

FINALIZING = 2
"""Units that a worker closes at a time, beside the one that it makes."""

Task = Callable[..., Any]
"""setup() -> run, made in the worker: run(unit, on_items) -> result, or a `Closing` with it."""

Kind = Literal["ready", "items", "made", "alive", "done", "failed", "died"]


@dataclass(frozen=True)
class WorkerEvent:
    """Something a worker did: it is `ready`, or `died` (value: why). Or its unit of the name `unit`
    has added `items` (value: since it began), is `made` and only has to be closed, is `alive` as it
    is closed, is `done` (value: the result) or `failed` (value: the exception; of no unit: it could
    not begin)."""

    worker: Any
    kind: Kind
    value: Any = None
    unit: str | None = None


class WorkerBackend(Protocol):
    grows: bool
    """Whether there may be room for more later, if more is asked for."""

    def capacity(self) -> int:
        """How many workers the machine or cluster has room for at the moment, those at work
        included."""

    def nodes(self) -> int:
        """Machines that are paid for while the crew works."""

    def start(self) -> Any:
        """A new worker, of a kind only this crew knows; a `ready` event follows."""

    def assign(self, worker: Any, unit: Any) -> None:
        """Give a ready worker its next unit, once its last one is made; `done`, `failed` or `died`
        follows."""

    def wait(self, workers: Sequence[Any], timeout_s: float) -> list[WorkerEvent]:
        """What has happened to `workers`, as soon as something has, or nothing in `timeout_s`."""

    def stop(self, worker: Any) -> None:
        """End a worker now, whatever it does."""


def most_workers(backend: WorkerBackend, placement: Placement, room: int) -> int:
    """How many workers to ask for where there is `room`."""
    wanted = placement.max_workers or placement.workers or max(1, room)
    return wanted if backend.grows else min(wanted, max(1, room))
