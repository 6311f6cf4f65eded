"""Requests in the queue, and what each of them gets of a batch."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from aigc.generation.delivery import Format
from aigc.generation.draws import Draws
from aigc.service.loaded import Loaded
from aigc.service.renderer import Latents

Source = Draws | Callable[[Loaded], Latents]
"""What to render; a call is made by the rendering thread, for it may use the network."""


@dataclass(frozen=True)
class Work:
    """`count` pictures of one model in one format."""

    model: Loaded
    source: Source
    count: int
    format: Format
    kind: str = ""
    """Of what starts from points, and so has each batch to itself."""
    extra: float = 0.0
    """Small pictures' work that comes with it beside its own pictures."""

    @property
    def weight(self) -> float:
        return self.count * self.format.weight + self.extra


class Ticket:
    """A request's place in the queue. Iterate for files as they come, or await `files`."""

    def __init__(self, work: Work) -> None:
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
        alone = 0 if isinstance(self.work.source, Draws) else id(self)
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


class Share(NamedTuple):
    """A ticket's pictures from number `start` on."""

    ticket: Ticket
    start: int
    rows: int

    @property
    def weight(self) -> float:
        extra = 0.0 if self.start else self.ticket.work.extra
        return self.rows * self.ticket.work.format.weight + extra


BATCH_WEIGHT = 256.0
"""Small pictures' work that one batch may hold: what keeps a batch of large ones short."""


def fair_shares(tickets: Sequence[Ticket], rows: int) -> list[Share]:
    """Up to `rows` rows of at most `rows` tickets, at least one each where the work allows.

    Small requests get all they ask; what they leave is shared by the large ones. The first ticket,
    which has waited longest, gets a picture whatever the others ask: so nobody waits for ever.
    """
    shares: list[Share] = []
    first = tickets[0]
    weight = BATCH_WEIGHT - min(first.work.format.weight, BATCH_WEIGHT / 2)
    for number, ticket in enumerate(sorted(tickets, key=lambda ticket: ticket.left)):
        kept, each = int(ticket is first), ticket.work.format.weight
        fair = min(ticket.left, rows // (len(tickets) - number))
        count = min(fair, kept + max(0, int(weight / each)))
        if count:
            shares.append(Share(ticket, ticket.taken, count))
            rows -= count
            weight -= (count - kept) * each
    return shares
