"""Messages between the workers and the driver of a training run."""

from __future__ import annotations

import time
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from aigc.errors import AigcError

_ASK_EVERY_S = 0.5


class TrainingChannel:
    """An actor on the driver's node, which reserves no CPU and outlives the workers."""

    def __init__(self) -> None:
        self._latest: tuple[float, float, dict[str, Any]] | None = None
        self._failure: AigcError | None = None
        self._result: Any = None
        self._stopping = False
        self._starts = 0
        self._notes: list[str] = []

    def register(self, rank: int) -> bool:
        """Called by a worker that starts. True: the run has failed, the worker must return."""
        self._starts += rank == 0
        return self._failure is not None

    def update(self, latest: tuple[float, float, dict[str, Any]] | None) -> bool:
        """Store progress of rank 0; returns whether to stop."""
        self._latest = latest or self._latest
        return self._stopping

    def latest(self) -> tuple[tuple[float, float, dict[str, Any]] | None, int]:
        """The newest progress, and the number of starts of the workers."""
        return self._latest, self._starts

    def note(self, message: str) -> None:
        """Add a message for the user."""
        self._notes.append(message)

    def notes(self) -> list[str]:
        """Return and remove the messages since the last call."""
        fresh, self._notes = self._notes, []
        return fresh

    def stop(self) -> None:
        self._stopping = True

    def fail(self, error: AigcError) -> None:
        self._failure = self._failure or error

    def finish(self, result: Any) -> None:
        self._result = result

    def outcome(self) -> tuple[AigcError | None, Any]:
        return self._failure, self._result


def open_channel() -> Any:
    """Start a channel on the driver's node; it ends with the last handle to it."""
    here = ray.get_runtime_context().get_node_id()
    return (
        ray.remote(TrainingChannel)
        .options(
            num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=here, soft=False)
        )
        .remote()
    )


class ChannelSender:
    """A worker's end of the channel; it never blocks training."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._latest: tuple[float, float, dict[str, Any]] | None = None
        self._answer: Any = None
        self._sent_at = 0.0
        self._stopping = False

    def report(self, done: float, total: float, **metrics: Any) -> None:
        self._latest = (done, total, metrics)

    def notice(self, message: str) -> None:
        """Send a message. Ray keeps the order of calls, so it arrives before the result."""
        self._channel.note.remote(message)

    def stop(self) -> bool:
        """Send new progress at most twice a second; returns the last received answer."""
        if self._answer is not None and ray.wait([self._answer], timeout=0)[0]:
            self._stopping = ray.get(self._answer)
            self._answer = None
        if self._answer is None and time.monotonic() - self._sent_at > _ASK_EVERY_S:
            self._answer = self._channel.update.remote(self._latest)
            self._sent_at = time.monotonic()
        return self._stopping
