"""One-line messages for Ray's errors: what happened, and what an operator can do."""

from __future__ import annotations

from ray.exceptions import (
    ActorUnschedulableError,
    GetTimeoutError,
    ObjectLostError,
    OutOfMemoryError,
    RayError,
    RayTaskError,
    RuntimeEnvSetupError,
    TaskUnschedulableError,
)

from aigc.errors import AigcError

_MOST_CHARACTERS = 300
_OUT_OF_MEMORY = (
    "out of memory: Ray's memory monitor killed it because its node ran low; raise "
    "placement.cpus_per_worker, so that fewer workers share a node, or add memory"
)


def reason(error: BaseException) -> str:
    """The cause of `error`, one of Ray's, in one line.

    Ray puts the cause first and hints below it. A failed runtime environment, and Ray Train's
    report of an error raised in a worker, have the cause in the last line.
    """
    match error:
        case OutOfMemoryError():
            text = _OUT_OF_MEMORY
        case RuntimeEnvSetupError():
            text = f"its runtime environment could not be set up: {_line(error, last=True)}"
        case ActorUnschedulableError() | TaskUnschedulableError():
            text = f"it cannot be scheduled: {_short(error.error_message)}"
        case GetTimeoutError():
            text = "no answer in time"
        case ObjectLostError():
            text = "its result was lost with the node that held it"
        case RayTaskError(cause=AigcError() as cause):
            text = _line(cause)
        case RayTaskError():
            text = f"{type(error.cause).__name__}: {_line(error.cause)}"
        case RayError():
            text = _line(error)
        case _:
            inner = getattr(error, "health_check_failure", None)  # of Ray Train, for a lost worker
            text = reason(inner) if inner else _line(error, last=True)
    return text


def _line(error: BaseException, *, last: bool = False) -> str:
    """The first or last line of the message; the type if there is no message."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return _short(lines[-1 if last else 0]) if lines else type(error).__name__


def _short(text: str) -> str:
    return " ".join(str(text).split())[:_MOST_CHARACTERS]
