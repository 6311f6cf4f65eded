"""The rate limiter of all replicas: one actor counts the usage of API keys."""

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
"""Actors of other versions are found by this prefix and read by `exported`: keep both."""
_ANSWER_TIMEOUT_S = 1.0
_RETRY_S = 5.0
_START_S = 60.0
_UNUSED_S = 600.0
"""An actor of other code is ended after this many seconds without a call."""
_CHECKS_PER_PERIOD = 10
"""Checks of such an actor within that time."""

Exported = tuple[float, float, dict[str, Account]]
"""Start of an actor (seconds since 1970), seconds since its last call, accounts by key id."""


class _RateLimiterActor:
    """Counts usage. Carries over the counts of actors of other code, and ends these."""

    def __init__(self, name: str, own_name: str, unused_s: float) -> None:
        self._name, self._own_name, self._unused_s = name, own_name, unused_s
        self._rate_limiter = LocalRateLimiter()
        self._carried: dict[tuple[str, str], Account] = {}
        """Accounts of other actors as they were last carried over, by actor and key id."""
        self._started, self._last_call_at = time.time(), time.monotonic()
        self._carry_over_task: asyncio.Task[None] | None = None

    async def apply_all(self, usages: Sequence[Usage]) -> list[float | None]:
        self._last_call_at = time.monotonic()
        return [self._rate_limiter.apply(usage) for usage in usages]

    async def exported(self) -> Exported:
        return self._started, time.monotonic() - self._last_call_at, self._rate_limiter.accounts

    async def carry_over(self) -> None:
        """Carry over the counts of other actors now, and from then on periodically."""
        await self._carry_over_once()
        if self._carry_over_task is None:
            self._carry_over_task = asyncio.create_task(self._carry_over_periodically())

    async def _carry_over_periodically(self) -> None:
        while True:
            await asyncio.sleep(self._unused_s / _CHECKS_PER_PERIOD)
            await self._carry_over_once()

    async def _carry_over_once(self) -> None:
        for name in await asyncio.to_thread(_actors_of_other_code, self._name, self._own_name):
            with contextlib.suppress(Exception):  # it ended meanwhile, or is checked again
                other = await asyncio.to_thread(ray.get_actor, name, _NAMESPACE)
                if await self._can_be_ended(name, other):
                    await asyncio.to_thread(ray.kill, other, no_restart=True)

    async def _can_be_ended(self, name: str, other: Any) -> bool:
        """Carry over the counts of `other`; returns whether it is unused and can be ended."""
        if not hasattr(other, "exported"):  # of a version without carry-over
            return True
        async with asyncio.timeout(_START_S):
            started, unused_s, accounts = await other.exported.remote()
        if started >= self._started:
            return False
        for key_id, account in accounts.items():
            self._carry(name, key_id, account)
        return bool(unused_s > self._unused_s)

    def _carry(self, name: str, key_id: str, other: Account) -> None:
        """Add the images counted since the last time; tokens only when the key is new here."""
        before = self._carried.get((name, key_id))
        carried = before.images if before is not None and before.day == other.day else 0
        account = self._rate_limiter.accounts.setdefault(key_id, Account(other.tokens, other.at))
        if account.day < other.day:
            account.day, account.images = other.day, 0
        if account.day == other.day:
            account.images = max(0, account.images + other.images - carried)
        self._carried[name, key_id] = other


class ClusterRateLimiter:
    """A rate limiter backed by one actor of the cluster, so that limits hold over all replicas.

    Limits are exact: the actor counts each request before it is served. Calls are batched: while
    one is pending, further requests wait and share the next, so a busy replica makes about a
    hundred calls a second instead of one per request. Keys without limits need no call.

    Counts are in memory: if the actor dies, the minute and the day of each key start again. While
    it does not answer within a second (its node failed, the cluster's head restarts), each replica
    counts by itself, so that a key gets at most its limit from each replica, and reconnects every
    five seconds.

    The actor outlives the replicas that started it, so its name contains a digest of the code.
    Replicas of other code use an actor of their own, which carries over the counts of earlier ones,
    also while replicas are being replaced, and ends these once they are unused.
    """

    def __init__(
        self,
        name: str = _NAME,
        retry_s: float = _RETRY_S,
        *,
        code: str | None = None,
        unused_s: float = _UNUSED_S,
    ) -> None:
        """`code` identifies the actor's code; default: a digest of this module's."""
        self._retry_s = retry_s
        own_name = f"{name}-{code or _code_digest()}"
        self._open_actor = functools.partial(_open_actor, name, own_name, unused_s)
        self._actor: Any = self._open_actor()
        self._local = LocalRateLimiter()
        self._waiting: list[tuple[Usage, asyncio.Future[float | None]]] = []
        self._sending: asyncio.Task[None] | None = None
        self._recovery: asyncio.Task[None] | None = None
        self.calls = 0
        """Number of calls to the actor."""

    @property
    def is_local(self) -> bool:
        """Whether this replica counts by itself because the actor does not answer."""
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
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())
        return await answer

    async def _send_all(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, []
            found = await self._apply([each for each, _ in asked])
            for (_, answer), wait_s in zip(asked, found, strict=True):
                if not answer.done():
                    answer.set_result(wait_s)

    async def _apply(self, asked: list[Usage]) -> list[float | None]:
        if not self.is_local:
            try:
                return await self._apply_by_actor(asked)
            except Exception as error:  # no request may wait for ever
                self._recovery = asyncio.create_task(self._reconnect())
                logging.getLogger("aigc").warning(
                    "quotas: the rate limiter actor does not answer (%s); each replica counts "
                    "alone until it does",
                    type(error).__name__,
                )
        return [self._local.apply(usage) for usage in asked]

    async def _apply_by_actor(self, asked: list[Usage]) -> list[float | None]:
        self.calls += 1
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            found: list[float | None] = await self._actor.apply_all.remote(asked)
        for usage, wait_s in zip(asked, found, strict=True):
            if wait_s is None:
                self._local.apply(usage)
        return found

    async def _reconnect(self) -> None:
        """Reconnect in the background; requests are counted locally meanwhile."""
        while self.is_local:
            await asyncio.sleep(self._retry_s)
            with contextlib.suppress(Exception):
                actor = await asyncio.to_thread(self._open_actor)
                async with asyncio.timeout(_START_S):
                    await actor.apply_all.remote([])
                self._actor, self._recovery = actor, None


def _open_actor(name: str, own_name: str, unused_s: float) -> Any:
    """Get or start the actor. Calls are not retried, since a lost one may have been counted."""
    kind: Any = ray.remote(_RateLimiterActor)
    actor = kind.options(
        name=own_name,
        namespace=_NAMESPACE,
        get_if_exists=True,
        lifetime="detached",
        num_cpus=0,
        max_restarts=-1,
        max_task_retries=0,
    ).remote(name, own_name, unused_s)
    actor.carry_over.remote()
    return actor


def _actors_of_other_code(name: str, own_name: str) -> list[str]:
    """Names of the rate limiter actors of other code."""
    named = list_named_actors(all_namespaces=True)
    found = [each["name"] for each in named if each["namespace"] == _NAMESPACE]
    return [each for each in found if each != own_name and f"{each}-".startswith(f"{name}-")]


@functools.cache
def _code_digest() -> str:
    """Digest of the actor's code and of the types it exchanges."""
    code = inspect.getsource(_RateLimiterActor) + inspect.getsource(quota)
    return hashlib.sha256(code.encode()).hexdigest()[:12]
