"""Requests in the queue, and what each of them gets of a batch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from aigc.generation.draws import Draws
from aigc.service.loaded import Loaded
from aigc.service.renderer import Format, Latents

Source = Draws | Callable[[Loaded], Latents]
"""What to render; a call is made by the rendering thread, for it may use the network."""


@dataclass(frozen=True)
class Work:
    """`count` pictures of one model in one format."""

    model: Loaded
    source: Source
    count: int
    format: Format

    @property
    def weight(self) -> float:
        return self.count * self.format.weight


class Ticket:
    """A request's place in the queue. Iterate for files as they come, or await `files`."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.taken = 0
        self.entered = time.perf_counter()
        self.cancelled = False
        self.latents: Latents | None = None
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()
        self._files: list[bytes] = []
        self._news: asyncio.Future[None] | None = None

    @property
    def left(self) -> int:
        return self.work.count - self.taken

    @property
    def key(self) -> tuple[int, int]:
        """Tickets of one key may share a batch."""
        alone = 0 if isinstance(self.work.source, Draws) else id(self)
        return id(self.work.model), alone

    async def files(self) -> list[bytes]:
        await self.done
        return self._files

    async def parts(self) -> AsyncIterator[list[bytes]]:
        """The files in order, some at a time, as soon as they are made."""
        given = 0
        while given < self.work.count:
            if len(self._files) == given:
                if self.done.done():
                    self.done.result()
                self._news = self.loop.create_future()
                await self._news
            fresh = self._files[given:]
            given += len(fresh)
            if fresh:
                yield fresh

    def receive(self, files: list[bytes], error: Exception | None) -> None:
        """Called in the ticket's loop."""
        self._files += files
        if not self.done.done():
            if error is not None:
                self.done.set_exception(error)
                self.done.exception()
            elif len(self._files) == self.work.count:
                self.done.set_result(None)
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


Share = tuple[Ticket, int]
"""A ticket and how many rows of it."""

_BATCH_WEIGHT = 256.0
"""Small pictures' work that one batch may hold: what keeps a batch of large ones short."""


def fair_shares(tickets: Sequence[Ticket], rows: int) -> list[Share]:
    """Up to `rows` rows of at most `rows` tickets, at least one each where the work allows.

    Small requests get all they ask; what they leave is shared by the large ones.
    """
    shares: list[Share] = []
    weight = _BATCH_WEIGHT
    for number, ticket in enumerate(sorted(tickets, key=lambda ticket: ticket.left)):
        fair = min(ticket.left, rows // (len(tickets) - number))
        share = min(fair, max(1, int(weight / ticket.work.format.weight)))
        if shares and weight < ticket.work.format.weight:
            continue
        shares.append((ticket, share))
        rows -= share
        weight -= share * ticket.work.format.weight
    return shares
