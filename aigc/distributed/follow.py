"""Following a job's log to its end, through streams that may break or fall silent."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

import aiohttp
from ray.job_submission import JobDetails, JobStatus

from aigc.errors import AigcError, JobError, PlacementError

_QUIET_S = 20.0
"""A log stream that says nothing for so long is given up, the status asked, the stream reopened."""
_LOST_S = 120.0
"""A cluster that answers nothing for so long ends the following, not the job."""

Write = Callable[[str], None]


class Jobs(Protocol):
    """What a follower asks of a cluster."""

    def tail(self, job: str) -> AsyncGenerator[str]: ...
    def details(self, job: str) -> JobDetails: ...
    def logs(self, job: str) -> str: ...


class Follower:
    """Passes each piece of a job's log on once, however often the stream must be reopened."""

    def __init__(self, cluster: Jobs, job: str, write: Write, notice: Write) -> None:
        self._cluster, self._job, self._write, self._notice = cluster, job, write, notice
        self._printed = 0
        self._answered_at = time.monotonic()

    async def run(self) -> JobDetails:
        while True:
            with contextlib.suppress(aiohttp.ClientError, RuntimeError, OSError):
                await self._stream()
            details = await self._details()
            if details is None:
                await asyncio.sleep(2)
            elif details.status.is_terminal():
                with contextlib.suppress(AigcError):
                    self._print_rest(await asyncio.to_thread(self._cluster.logs, self._job))
                return details
            elif details.status == JobStatus.PENDING:
                self._notice(f"job {self._job} waits for the cluster to start it")

    async def _stream(self) -> None:
        """Print what is new; returns at the stream's end or when it is silent for _QUIET_S."""
        tail = self._cluster.tail(self._job)
        received = 0
        try:
            while True:
                text: str = await asyncio.wait_for(anext(tail), _QUIET_S)
                received += len(text)
                new = received - self._printed
                if new > 0:
                    self._write(text[-new:])
                    self._printed = received
        except (StopAsyncIteration, TimeoutError):
            return
        finally:
            await tail.aclose()

    async def _details(self) -> JobDetails | None:
        try:
            details = await asyncio.to_thread(self._cluster.details, self._job)
        except PlacementError as error:
            if time.monotonic() - self._answered_at > _LOST_S:
                raise JobError(
                    f"lost the cluster for {_LOST_S:.0f} s while following {self._job}, which may "
                    f"still run ({error}); aigc jobs logs {self._job} --follow"
                ) from None
            return None
        self._answered_at = time.monotonic()
        return details

    def _print_rest(self, log: str) -> None:
        if len(log) > self._printed:
            self._write(log[self._printed :])
            self._printed = len(log)
