"""Units of work for pool tests: they run in real workers, so they are importable by name."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from aigc.errors import SpecError, StorageError


@dataclass(frozen=True)
class Unit:
    number: int
    folder: str
    does: str = "work"
    times: int = 1
    """How many attempts do what `does` says, before one just works."""

    def __str__(self) -> str:
        return f"unit {self.number}"

    def attempts(self) -> int:
        return len(list(Path(self.folder).glob(f"{self.number}-*")))


def setup(threads: int):
    return run


def broken_setup(threads: int):
    raise SpecError("gates.memorisation.data = nowhere: not found")


def run(unit: Unit, on_items):
    earlier = unit.attempts()
    (Path(unit.folder) / f"{unit.number}-{os.getpid()}-{time.monotonic_ns()}").touch()
    on_items(1)
    if unit.does != "work" and earlier < unit.times:
        _misbehave(unit.does)
    time.sleep(0.05)
    on_items(1)
    return unit.number


def _misbehave(does: str) -> None:
    match does:
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
