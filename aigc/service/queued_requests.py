"""Requests in the queue, and what each of them gets of a batch."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from aigc.generation.delivery import Format
from aigc.job.keys import SampleKeys
from aigc.service.loaded_model import LoadedModel
from aigc.service.renderer import Latents

RenderSource = SampleKeys | Callable[[LoadedModel], Latents]
"""What to render; a call is made by the rendering thread, for it may use the network."""


@dataclass(frozen=True)
class RenderJob:
    """`count` pictures of one model in one format."""

    model: LoadedModel
    source: RenderSource
    count: int
    format: Format
    kind: str = ""
    """Of what starts from points, and so has each batch to itself."""
    extra: float = 0.0
    """Small pictures' work that comes with it beside its own pictures."""

    @property
    def weight(self) -> float:
        return self.count * self.format.weight + self.extra


class QueuedRequest:
    """A request's place in the queue. Iterate for files as they come, or await `files`."""

    def __init__(self, work: RenderJob) -> None:
        self.work = work
        self.taken = 0
        self.entered = time.perf_counter()
        self.cancelled = False
        self.latents: Latents | None = None
        self.preparing = threading.Lock()
        """Held while `latents` are made."""
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()
        self._files: list[bytes | None] = [None] * work.count
        self._missing = work.count
        self._news: asyncio.Future[None] | None = None

    @property
    def left(self) -> int:
        return self.work.count - self.taken

    @property
    def weight_left(self) -> float:
        extra = 0.0 if self.taken else self.work.extra
        return self.left * self.work.format.weight + extra

    @property
    def key(self) -> tuple[int, int]:
        """Tickets of one key may share a batch."""
        alone = 0 if isinstance(self.work.source, SampleKeys) else id(self)
        return id(self.work.model), alone

    async def files(self) -> list[bytes]:
        await self.done
        return cast("list[bytes]", self._files)

    async def parts(self) -> AsyncIterator[list[bytes]]:
        """The files in order, some at a time, as soon as they and those before them are made."""
        given = 0
        while given < self.work.count:
            fresh = self._from(given)
            given += len(fresh)
            if fresh:
                yield fresh
                continue
            if self.done.done():
                self.done.result()
            self._news = self.loop.create_future()
            await self._news

    def _from(self, start: int) -> list[bytes]:
        """The files from `start` on, up to the first that is missing."""
        found: list[bytes] = []
        for file in self._files[start:]:
            if file is None:
                break
            found.append(file)
        return found

    def receive(self, start: int, files: list[bytes], error: Exception | None) -> None:
        """Files from number `start` on, or why there are none. Called in the ticket's loop."""
        self._files[start : start + len(files)] = files
        self._missing -= len(files)
        if not self.done.done():
            if error is not None:
                self.done.set_exception(error)
                self.done.exception()
            elif not self._missing:
                self.done.set_result(None)
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class BatchSlice(NamedTuple):
    """A ticket's pictures from number `start` on."""

    ticket: QueuedRequest
    start: int
    rows: int

    @property
    def weight(self) -> float:
        extra = 0.0 if self.start else self.ticket.work.extra
        return self.rows * self.ticket.work.format.weight + extra


BATCH_WEIGHT = 256.0
"""Small pictures' work that one batch may hold: what keeps a batch of large ones short."""
_FIRST = 4
"""That part of a batch is for who has waited longest."""


def fair_slices(tickets: Sequence[QueuedRequest], rows: int) -> list[BatchSlice]:
    """Up to `rows` rows of `tickets`, which stand in the order they came.

    The least requests get all they ask, of equal ones who came first: a request that is answered
    whole is answered early, and meanwhile the next is made. The first ticket, which has waited
    longest, gets a quarter of the batch whatever the others ask, and at least a picture: so nobody
    waits for ever.
    """
    first = tickets[0]
    each = first.work.format.weight
    kept = max(1, min(first.left, rows // _FIRST, int(BATCH_WEIGHT / _FIRST / each)))
    rows -= kept
    weight = BATCH_WEIGHT - min(kept * each, BATCH_WEIGHT / 2)
    shares: list[BatchSlice] = []
    for ticket in sorted(tickets, key=lambda ticket: ticket.left):
        own, each = kept if ticket is first else 0, ticket.work.format.weight
        more = min(ticket.left - own, rows, int(max(0.0, weight) / each))
        if own + more:
            shares.append(BatchSlice(ticket, ticket.taken, own + more))
            rows -= more
            weight -= more * each
    return shares
