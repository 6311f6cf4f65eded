"""Quotas of API keys: requests per minute and images per day.

Requests pass a token bucket that holds a minute's worth, so bursts are possible and the mean holds.
Images are counted by the day, UTC; a request that would exceed it takes nothing, and one that is
refused or fails later gets back what it took.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from aigc.service.keys import Key

_DAY_S = 86_400.0


class RateLimiter(Protocol):
    async def take(self, key: Key, images: int) -> float | None:
        """Count one request for `images`. None, or the seconds until it would be allowed."""
        ...

    async def refund(self, key: Key, images: int, requests: int, taken_at: float) -> None:
        """Refund what was taken at `taken_at` (seconds since the epoch)."""
        ...


class Usage(NamedTuple):
    """A change to the account of the key with this id and these limits."""

    key_id: str
    images_per_day: int | None
    requests_per_minute: int | None
    images: int
    requests: int = 1
    taken_at: float | None = None
    """For a refund: when it was taken, in seconds since the epoch; else None."""


def usage_of(
    key: Key, images: int, requests: int = 1, taken_at: float | None = None
) -> Usage | None:
    """The usage to count; None for a key without limits."""
    if key.images_per_day is None and key.requests_per_minute is None:
        return None
    limits = (key.images_per_day, key.requests_per_minute)
    return Usage(key.id, *limits, images, requests, taken_at)


@dataclass
class Account:
    tokens: float
    """Requests that are allowed now (token bucket)."""
    at: float
    """Time at which `tokens` was computed, in seconds since the epoch."""
    day: int = 0
    images: int = 0
    """Images counted on `day` (days since the epoch)."""


class LocalRateLimiter:
    """A rate limiter for one process. `clock` returns seconds since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.accounts: dict[str, Account] = {}
        """By key id."""

    async def take(self, key: Key, images: int) -> float | None:
        usage = usage_of(key, images)
        return None if usage is None else self.apply(usage)

    async def refund(self, key: Key, images: int, requests: int, taken_at: float) -> None:
        if usage := usage_of(key, images, requests, taken_at):
            self.apply(usage)

    def apply(self, usage: Usage) -> float | None:
        """Count or refund `usage`. Returns None, or the seconds until it would be allowed."""
        now = self._clock()
        new = Account(usage.requests_per_minute or 0, now)
        account = self.accounts.setdefault(usage.key_id, new)
        if usage.taken_at is not None:
            _refund(account, usage, usage.taken_at)
            return None
        wait_s = _until_a_token(account, usage, now) or _until_images(account, usage, now)
        if wait_s:
            return wait_s
        account.tokens -= 1
        account.images += usage.images
        return None


def _refund(account: Account, usage: Usage, taken_at: float) -> None:
    """Refund tokens, and images if they were counted today."""
    if usage.requests_per_minute is not None:
        account.tokens = min(usage.requests_per_minute, account.tokens + usage.requests)
    if account.day == int(taken_at // _DAY_S):
        account.images = max(0, account.images - usage.images)


def _until_a_token(account: Account, usage: Usage, now: float) -> float:
    rate = usage.requests_per_minute
    if rate is None:
        return 0.0
    account.tokens = min(rate, account.tokens + max(0.0, now - account.at) * rate / 60)
    account.at = now
    return 0.0 if account.tokens >= 1 else (1 - account.tokens) * 60 / rate


def _until_images(account: Account, usage: Usage, now: float) -> float:
    if usage.images_per_day is None:
        return 0.0
    day = int(now // _DAY_S)
    if day != account.day:
        account.day, account.images = day, 0
    within = account.images + usage.images <= usage.images_per_day
    return 0.0 if within else (day + 1) * _DAY_S - now
