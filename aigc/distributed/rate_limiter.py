"""What keys have used, counted once over all replicas."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import inspect
import logging
import time
from collections.abc import Sequence
from typing import Any

import ray
from ray.util import list_named_actors

from aigc.service import quota
from aigc.service.keys import Key
from aigc.service.quota import Account, LocalRateLimiter, Usage, usage_of

_NAME, _NAMESPACE = "aigc-ledger", "aigc"
_PATIENCE_S = 1.0
_RETRY_S = 5.0
_START_S = 60.0
_UNUSED_S = 600.0
"""An actor of other code that no replica has asked for so long is ended."""
_LOOKS = 10
"""How often it is looked at within that time."""

Exported = tuple[float, float, dict[str, Account]]
"""When an actor started, seconds since it was last asked, and the accounts by key id."""


class _RateLimiterActor:
    """The actor. It carries over what actors of other code have counted, and ends them."""

    def __init__(self, name: str, own: str, unused_s: float) -> None:
        self._name, self._own, self._unused_s = name, own, unused_s
        self._rate_limiter = LocalRateLimiter()
        self._carried: dict[tuple[str, str], Account] = {}
        """By actor and key id: what was carried over so far."""
        self._started, self._asked_at = time.time(), time.monotonic()
        self._succession: asyncio.Task[None] | None = None

    async def apply_all(self, usages: Sequence[Usage]) -> list[float | None]:
        self._asked_at = time.monotonic()
        return [self._rate_limiter.apply(usage) for usage in usages]

    async def exported(self) -> Exported:
        return self._started, time.monotonic() - self._asked_at, self._rate_limiter.accounts

    async def succeed(self) -> None:
        """Returns when what others counted until now is carried over; goes on with it after."""
        await self._look()
        if self._succession is None:
            self._succession = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._unused_s / _LOOKS)
            await self._look()

    async def _look(self) -> None:
        for name in await asyncio.to_thread(_others, self._name, self._own):
            with contextlib.suppress(Exception):  # it ended meanwhile, or is looked at again
                other = await asyncio.to_thread(ray.get_actor, name, _NAMESPACE)
                if await self._is_done_with(name, other):
                    await asyncio.to_thread(ray.kill, other, no_restart=True)

    async def _is_done_with(self, name: str, other: Any) -> bool:
        """Whether nobody needs the actor `other`, all of whose counts are carried over."""
        if not hasattr(other, "exported"):  # from before counts were carried over
            return True
        async with asyncio.timeout(_START_S):
            started, unused_s, accounts = await other.exported.remote()
        if started >= self._started:
            return False
        for key_id, account in accounts.items():
            self._carry(name, key_id, account)
        return bool(unused_s > self._unused_s)

    def _carry(self, name: str, key_id: str, theirs: Account) -> None:
        """Images one by one; of requests only what is left when the key is first seen here."""
        before = self._carried.get((name, key_id))
        known = before.images if before is not None and before.day == theirs.day else 0
        mine = self._rate_limiter.accounts.setdefault(key_id, Account(theirs.tokens, theirs.at))
        if mine.day < theirs.day:
            mine.day, mine.images = theirs.day, 0
        if mine.day == theirs.day:
            mine.images = max(0, mine.images + theirs.images - known)
        self._carried[name, key_id] = theirs


class ClusterRateLimiter:
    """A `Ledger` kept by one actor of the cluster, so a limit holds whatever replica is asked.

    It is exact: each request is counted by the actor before it is served, and none is counted on
    credit. What that costs is shared: while the actor is asked, whatever else comes waits and goes
    with the next question, so a busy replica asks some hundred times a second, not once a request.
    Requests of keys without limits do not ask.

    It lives in memory: an actor that died begins anew, and so do the minute and the day of each
    key. While none answers within a second (its machine is gone, the cluster's head restarts) each
    replica goes by what it has granted itself, so that a key may get at most its limit from each
    replica, and tries to find it again every five seconds.

    It outlives the replicas that started it, so its name holds a digest of the code: replicas of
    other code have an actor of their own, which carries over what the earlier ones have counted and
    go on counting while replicas are replaced, and ends them when nobody asks them any more.
    """

    def __init__(
        self,
        name: str = _NAME,
        retry_s: float = _RETRY_S,
        *,
        code: str | None = None,
        unused_s: float = _UNUSED_S,
    ) -> None:
        """`code` tells one actor's code from another's; by default it is a digest of this one."""
        self._retry_s = retry_s
        self._open = functools.partial(_opened, name, f"{name}-{code or _digest()}", unused_s)
        self._actor: Any = self._open()
        self._own = LocalRateLimiter()
        self._waiting: list[tuple[Usage, asyncio.Future[float | None]]] = []
        self._asking: asyncio.Task[None] | None = None
        self._recovery: asyncio.Task[None] | None = None
        self.questions = 0
        """How often the actor was asked."""

    @property
    def alone(self) -> bool:
        """Whether this replica goes by its own count."""
        return self._recovery is not None

    async def take(self, key: Key, images: int) -> float | None:
        return await self._counted(usage_of(key, images))

    async def refund(self, key: Key, images: int, requests: int, taken_at: float) -> None:
        await self._counted(usage_of(key, images, requests, taken_at))

    async def _counted(self, usage: Usage | None) -> float | None:
        if usage is None:
            return None
        answer: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((usage, answer))
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

    async def _found(self, asked: list[Usage]) -> list[float | None]:
        if not self.alone:
            try:
                return await self._by_all(asked)
            except Exception as error:  # whatever it is, nobody may wait for ever
                self._recovery = asyncio.create_task(self._recover())
                logging.getLogger("aigc").warning(
                    "quotas: each replica counts alone; the cluster's ledger does not answer (%s)",
                    type(error).__name__,
                )
        return [self._own.apply(usage) for usage in asked]

    async def _by_all(self, asked: list[Usage]) -> list[float | None]:
        self.questions += 1
        async with asyncio.timeout(_PATIENCE_S):
            found: list[float | None] = await self._actor.apply_all.remote(asked)
        for usage, wait_s in zip(asked, found, strict=True):
            if wait_s is None:
                self._own.apply(usage)
        return found

    async def _recover(self) -> None:
        """Beside the requests, which go on meanwhile."""
        while self.alone:
            await asyncio.sleep(self._retry_s)
            with contextlib.suppress(Exception):
                books = await asyncio.to_thread(self._open)
                async with asyncio.timeout(_START_S):
                    await books.apply_all.remote([])
                self._actor, self._recovery = books, None


def _opened(name: str, own: str, unused_s: float) -> Any:
    """The actor; a question that may have been heard is not asked twice."""
    kind: Any = ray.remote(_RateLimiterActor)
    books = kind.options(
        name=own,
        namespace=_NAMESPACE,
        get_if_exists=True,
        lifetime="detached",
        num_cpus=0,
        max_restarts=-1,
        max_task_retries=0,
    ).remote(name, own, unused_s)
    books.succeed.remote()
    return books


def _others(name: str, own: str) -> list[str]:
    """Names of the actors of other code."""
    named = list_named_actors(all_namespaces=True)
    found = [each["name"] for each in named if each["namespace"] == _NAMESPACE]
    return [each for each in found if each != own and f"{each}-".startswith(f"{name}-")]


@functools.cache
def _digest() -> str:
    """Of the code that an actor runs and of what it is asked."""
    code = inspect.getsource(_RateLimiterActor) + inspect.getsource(quota)
    return hashlib.sha256(code.encode()).hexdigest()[:12]
