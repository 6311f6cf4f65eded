"""Commands whose processes and temporary files can be told from all others of this machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

import psutil

from tests.waiting import wait_until

T = TypeVar("T")
FOREIGN = {"ray", "torchinductor_root"}
"""What Ray (its logs) and torch leave in the temporary folder of a machine."""


@dataclass
class Command:
    """`aigc words…`, started on entering, killed on leaving."""

    words: list[str]
    temporary: Path
    log: IO[bytes]
    environment: dict[str, str] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __enter__(self) -> Command:
        marked = {"AIGC_TEST_MARK": self.mark, "TMPDIR": str(self.temporary)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "aigc", *self.words],
            env=os.environ | self.environment | marked,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self.processes():
            process.kill()
        self.process.wait()

    def processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                alive = process.status() != psutil.STATUS_ZOMBIE
                if alive and process.environ().get("AIGC_TEST_MARK") == self.mark:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Until `condition` holds; fails with what the command printed when it ends before."""
        said = Path(self.log.name).read_text
        wait_until(lambda: self.process.poll() is not None or condition(), explain=said, poll_s=0.1)
        assert self.process.poll() is None, said()

    def has(self, name: str) -> bool:
        return any(name in each for each in _read(self.processes(), psutil.Process.name))

    def environment_of(self, name: str) -> dict[str, str]:
        return next(each.environ() for each in self.processes() if name in each.name())

    def said(self, words: str) -> bool:
        return words in Path(self.log.name).read_text()

    def leaves(self, within_s: float = 0.0) -> list[str]:
        """Its processes and files of ours that are still there `within_s` seconds after its end."""
        self.process.wait(280)
        until = time.monotonic() + within_s
        while (left := self._left()) and time.monotonic() < until:
            time.sleep(0.1)
        return left

    def _left(self) -> list[str]:
        files = {path.name for path in self.temporary.iterdir()} - FOREIGN
        lines = _read(self.processes(), psutil.Process.cmdline)
        return [" ".join(line) for line in lines] + sorted(files)


def _read(processes: list[psutil.Process], value: Callable[[psutil.Process], T]) -> list[T]:
    """A field of those that have not ended since they were listed."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            found.append(value(process))
    return found
