"""Measures commands from outside: their time, and CPU and memory of all their processes."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator

import psutil

from aigc.errors import JobError

_SAMPLE_S = 1.0
_LIMIT_S = 1800.0
_MARK = "AIGC_BENCH_FAMILY"


class ProcessTree:
    """A process and all its descendants, also detached ones, as of Ray and HAProxy.

    Members are known by a word in their environment, which children inherit; a process that writes
    its title over its environment is known by its parent.
    """

    def __init__(self) -> None:
        self._word = secrets.token_hex(8)

    def environment(self, **more: str) -> dict[str, str]:
        """Environment for the first process."""
        return {**os.environ, **more, _MARK: self._word}

    def members(self) -> Iterator[psutil.Process]:
        """The live processes, parents before children."""
        known: set[int] = set()
        for process in sorted(psutil.process_iter(), key=lambda each: each.create_time()):
            with contextlib.suppress(psutil.Error):
                if process.ppid() in known or process.environ().get(_MARK) == self._word:
                    known.add(process.pid)
                    yield process

    def memory_bytes(self) -> int:
        """Proportional set sizes: shared pages count once."""
        total = 0
        for process in self.members():
            try:
                total += process.memory_full_info().pss
            except psutil.Error:
                continue
        return total

    def kill(self) -> None:
        for process in self.members():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def cpu_s(self) -> float:
        """Of those that live."""
        total = 0.0
        for process in self.members():
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            total += times.user + times.system
        return total


def timed(command: list[str], **environment: str) -> tuple[float, int, str]:
    """(wall seconds, peak memory of the family in bytes, stdout) of one command.

    `environment` is set for it on top of this process's own.

    Raises:
        JobError: it failed, or took too long.
    """
    started, family = time.perf_counter(), ProcessTree()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=family.environment(**environment),
    )
    peak = _Peak(family)
    peak.start()
    try:
        output, errors = process.communicate(timeout=_LIMIT_S)
    except subprocess.TimeoutExpired:
        family.kill()
        raise JobError(f"{' '.join(command)}: no end after {_LIMIT_S:g} s") from None
    wall_s = time.perf_counter() - started
    if process.returncode:
        raise JobError(f"{' '.join(command)}: {errors.strip().splitlines()[-1]}")
    return wall_s, peak.stop(), output


class _Peak(threading.Thread):
    def __init__(self, family: ProcessTree) -> None:
        super().__init__(daemon=True)
        self._family, self._peak, self._done = family, 0, threading.Event()

    def run(self) -> None:
        while not self._done.wait(_SAMPLE_S):
            self._peak = max(self._peak, self._family.memory_bytes())

    def stop(self) -> int:
        self._done.set()
        self.join()
        return self._peak
