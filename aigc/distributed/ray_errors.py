"""One line for each of Ray's errors: what happened, and what the operator can do about it."""

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
    """What `error`, one of Ray's, reports, in one line.

    Ray writes what happened first and hints below; a failed runtime environment, and Ray Train's
    report of an error that was raised in a worker, have the cause at the end.
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
            inner = getattr(error, "health_check_failure", None)  # Ray Train's, of a lost worker
            text = reason(inner) if inner else _line(error, last=True)
    return text


def _line(error: BaseException, *, last: bool = False) -> str:
    """The first or last line of its message; its type where it has none."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return _short(lines[-1 if last else 0]) if lines else type(error).__name__


def _short(text: str) -> str:
    return " ".join(str(text).split())[:_MOST_CHARACTERS]
