"""Idempotency-Key: the same request sent twice is made once.

What was answered is kept for a while, within a bound, in the process that made it. There a repeat
gets the same bytes with `Idempotent-Replayed: true`, is not charged, and another request under the
same key is refused with 409; one that comes while the first is being made waits for it. What
nobody waits for any more before it is made is not made, and forgotten.

A repeat that comes to another replica, or after the answer was forgotten, is made and charged
again, and nothing tells that it is one; nor is another request under the same key noticed there.
Its pictures are the same all the same, for key, caller and what was sent (of a form its fields and
its picture) decide the seed where none is named: unless the model's alias has moved, or replicas
are of different kinds of processor. Streams are always made again, and charged.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aigc.endpoint.errors import ConflictError
from aigc.service.errors import BadRequestError

_LONGEST = 255


_Place = tuple[str, str]
"""A caller's id and the Idempotency-Key it sent."""


@dataclass
class _Entry:
    fingerprint: bytes
    answer: asyncio.Task[bytes]
    made_at: float = 0.0
    size_bytes: int = 0
    waiting: int = 0
    """Requests that want the answer."""


async def _patiently(answer: asyncio.Future[bytes]) -> None:
    await asyncio.wait({answer})


class Idempotency:
    def __init__(self, keep_s: float, most_bytes: int) -> None:
        self._keep_s, self._most_bytes = keep_s, most_bytes
        self._making: dict[_Place, _Entry] = {}
        self._made: OrderedDict[_Place, _Entry] = OrderedDict()
        """Answers, the oldest first."""
        self._bytes = 0

    async def once(
        self,
        key_id: str,
        name: str,
        sent: bytes,
        make: Callable[[], Awaitable[bytes]],
        wait: Callable[[asyncio.Future[bytes]], Awaitable[None]] = _patiently,
    ) -> tuple[bytes, bool]:
        """The answer, and whether it was there already. A failure is not kept.

        `wait` returns when the answer is there, or raises when this request wants it no more.

        Raises:
            ConflictError: `name` stands for another request; BadRequestError: it is too long.
        """
        fingerprint, place = repeatable(key_id, name, sent), (key_id, name)
        self._forget_old()
        entry = self._making.get(place) or self._made.get(place)
        if entry is not None:
            if entry.fingerprint != fingerprint:
                raise ConflictError(
                    "Idempotency-Key: was used for another request; choose a new one",
                    code="idempotency_key_reused",
                )
            return await self._awaited(place, entry, wait), True
        task = asyncio.ensure_future(_called(make))
        entry = self._making[place] = _Entry(fingerprint, task)
        task.add_done_callback(lambda _: self._note(place, entry))
        return await self._awaited(place, entry, wait), False

    async def _awaited(
        self,
        place: _Place,
        entry: _Entry,
        wait: Callable[[asyncio.Future[bytes]], Awaitable[None]],
    ) -> bytes:
        entry.waiting += 1
        try:
            await wait(entry.answer)
            return entry.answer.result()
        finally:
            entry.waiting -= 1
            if not entry.waiting and not entry.answer.done():
                self._forget(place, entry)
                entry.answer.cancel()

    def _forget(self, place: _Place, entry: _Entry) -> None:
        if self._making.get(place) is entry:
            del self._making[place]

    def _note(self, place: _Place, entry: _Entry) -> None:
        wanted = self._making.get(place) is entry
        self._forget(place, entry)
        if not wanted or entry.answer.cancelled() or entry.answer.exception() is not None:
            return
        entry.made_at, entry.size_bytes = time.monotonic(), len(entry.answer.result()) + 512
        self._made[place] = entry
        self._bytes += entry.size_bytes
        self._forget_old()

    def _forget_old(self) -> None:
        """The oldest answers first; nothing else is looked at."""
        limit = time.monotonic() - self._keep_s
        while self._made:
            place, oldest = next(iter(self._made.items()))
            if oldest.made_at >= limit and self._bytes <= self._most_bytes:
                return
            self._bytes -= oldest.size_bytes
            del self._made[place]


def repeatable(key_id: str, name: str, sent: bytes) -> bytes:
    """32 bytes that stand for this request of this caller. Raises BadRequestError."""
    if not 0 < len(name) <= _LONGEST:
        raise BadRequestError(f"Idempotency-Key: use 1 to {_LONGEST} characters")
    parts = (key_id.encode(), name.encode(errors="replace"), sent)
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


async def _called(make: Callable[[], Awaitable[bytes]]) -> bytes:
    return await make()
