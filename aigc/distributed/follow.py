"""Follows a job's log to its end, across streams that break or stall."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

import aiohttp
from ray.job_submission import JobDetails, JobStatus

from aigc.errors import AigcError, JobError, PlacementError

_IDLE_TIMEOUT_S = 20.0
"""A log stream without data for this long is closed; the status is queried and it is reopened."""
_CLUSTER_TIMEOUT_S = 120.0
"""Following ends, and the job goes on, if the cluster does not answer for this long."""

Write = Callable[[str], None]


class Jobs(Protocol):
    """The calls of a cluster that a follower uses."""

    def tail(self, job: str) -> AsyncGenerator[str]: ...
    def details(self, job: str) -> JobDetails: ...
    def logs(self, job: str) -> str: ...


class Follower:
    """Passes on each part of a job's log once, however often the stream is reopened."""

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
        """Print new text until the stream ends or stalls for `_IDLE_TIMEOUT_S`."""
        tail = self._cluster.tail(self._job)
        received = 0
        try:
            while True:
                text: str = await asyncio.wait_for(anext(tail), _IDLE_TIMEOUT_S)
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
            if time.monotonic() - self._answered_at > _CLUSTER_TIMEOUT_S:
                raise JobError(
                    f"the cluster has not answered for {_CLUSTER_TIMEOUT_S:.0f} s ({error}); job "
                    f"{self._job} may still run: aigc jobs logs {self._job} --follow"
                ) from None
            return None
        self._answered_at = time.monotonic()
        return details

    def _print_rest(self, log: str) -> None:
        if len(log) > self._printed:
            self._write(log[self._printed :])
            self._printed = len(log)
