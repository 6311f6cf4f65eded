"""What keys have used, counted once over all replicas."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any

import ray

from aigc.service.keys import Key
from aigc.service.quota import LocalLedger

_NAME, _NAMESPACE = "aigc-ledger", "aigc"
_PATIENCE_S = 1.0
_RETRY_S = 5.0
_START_S = 60.0

Asked = tuple[Key, int]


class _Books:
    def __init__(self) -> None:
        self._ledger = LocalLedger()

    async def take_all(self, asked: Sequence[Asked]) -> list[float | None]:
        return [await self._ledger.take(key, images) for key, images in asked]


class ClusterLedger:
    """A `Ledger` kept by one actor of the cluster, so a limit holds whatever replica is asked.

    It is exact: each request is counted by the actor before it is served, and none is counted on
    credit. What that costs is shared: while the actor is asked, whatever else comes waits and goes
    with the next question, so a busy replica asks some hundred times a second, not once a request.
    Requests of keys without limits do not ask.

    It lives in memory: an actor that died begins anew, and so do the minute and the day of each
    key. While none answers within a second (its machine is gone, the cluster's head restarts) each
    replica goes by what it has granted itself, so that a key may get at most its limit from each
    replica, and tries to find it again every five seconds.
    """

    def __init__(self, name: str = _NAME, retry_s: float = _RETRY_S) -> None:
        self._name, self._retry_s = name, retry_s
        self._books: Any = _opened(name)
        self._own = LocalLedger()
        self._waiting: list[tuple[Asked, asyncio.Future[float | None]]] = []
        self._asking: asyncio.Task[None] | None = None
        self._recovery: asyncio.Task[None] | None = None
        self.questions = 0
        """How often the actor was asked."""

    @property
    def alone(self) -> bool:
        """Whether this replica goes by its own count."""
        return self._recovery is not None

    async def take(self, key: Key, images: int) -> float | None:
        if key.images_per_day is None and key.requests_per_minute is None:
            return None
        answer: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(((key, images), answer))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await answer

    async def _ask(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, []
            found = await self._found([each for each, _ in asked])
            for (_, answer), wait_s in zip(asked, found, strict=True):
                if not answer.done():
                    answer.set_result(wait_s)

    async def _found(self, asked: list[Asked]) -> list[float | None]:
        if not self.alone:
            try:
                return await self._by_all(asked)
            except Exception as error:  # whatever it is, nobody may wait for ever
                self._recovery = asyncio.create_task(self._recover())
                logging.getLogger("aigc").warning(
                    "quotas: each replica counts alone; the cluster's ledger does not answer (%s)",
                    type(error).__name__,
                )
        return [await self._own.take(key, images) for key, images in asked]

    async def _by_all(self, asked: list[Asked]) -> list[float | None]:
        self.questions += 1
        async with asyncio.timeout(_PATIENCE_S):
            found: list[float | None] = await self._books.take_all.remote(asked)
        for (key, images), wait_s in zip(asked, found, strict=True):
            if wait_s is None:
                await self._own.take(key, images)
        return found

    async def _recover(self) -> None:
        """Beside the requests, which go on meanwhile."""
        while self.alone:
            await asyncio.sleep(self._retry_s)
            with contextlib.suppress(Exception):
                books = await asyncio.to_thread(_opened, self._name)
                async with asyncio.timeout(_START_S):
                    await books.take_all.remote([])
                self._books, self._recovery = books, None


def _opened(name: str) -> Any:
    """The actor; a question that may have been heard is not asked twice."""
    books: Any = ray.remote(_Books)
    return books.options(
        name=name,
        namespace=_NAMESPACE,
        get_if_exists=True,
        lifetime="detached",
        num_cpus=0,
        max_restarts=-1,
        max_task_retries=0,
    ).remote()
