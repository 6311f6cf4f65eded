"""Following a log whose stream breaks, repeats itself or falls silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from ray.job_submission import JobDetails, JobStatus

from aigc.distributed import follow
from aigc.distributed.follow import Follower
from aigc.errors import JobError, PlacementError


class Unsteady:
    """A cluster whose log streams start at the beginning each time and end as scripted."""

    def __init__(self, streams: list[list[Any]], log: str, lost: bool = False) -> None:
        self._streams, self._log, self._lost = streams, log, lost

    async def tail(self, job: str) -> AsyncGenerator[str]:
        for part in self._streams.pop(0) if self._streams else []:
            if isinstance(part, Exception):
                raise part
            if isinstance(part, float):
                await asyncio.sleep(part)
            else:
                yield part

    def details(self, job: str) -> JobDetails:
        if self._lost:
            raise PlacementError("nobody answers")
        status = JobStatus.RUNNING if self._streams else JobStatus.SUCCEEDED
        details: Any = SimpleNamespace(status=status, message=None)
        return details

    def logs(self, job: str) -> str:
        return self._log


def followed(cluster: Unsteady) -> str:
    written: list[str] = []
    asyncio.run(Follower(cluster, "job", written.append, lambda line: None).run())
    return "".join(written)


@pytest.mark.parametrize(
    "streams",
    [
        [["one\n", "two\n"]],
        [["one\n", aiohttp.ClientConnectionError()], ["one\ntwo\n"]],
        [["one\nt", RuntimeError("closed")], ["o"], ["one\n", "two\n"]],
        [["one\n", 5.0, "never seen in time"], ["one\n", "two\n"]],
        [["one\n"]],
        [],
    ],
)
def test_each_character_is_written_once(
    streams: list[list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "_IDLE_TIMEOUT_S", 0.1)
    assert followed(Unsteady(streams, "one\ntwo\n")) == "one\ntwo\n"


def test_a_lost_cluster_ends_the_following(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_CLUSTER_TIMEOUT_S", 0.0)
    with pytest.raises(JobError, match="job job may still run: aigc jobs logs job --follow"):
        followed(Unsteady([], "", lost=True))
