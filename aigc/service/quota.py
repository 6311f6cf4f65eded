"""What a key may use: requests a minute and images a day.

Requests pass a token bucket that holds a minute's worth, so bursts are possible and the mean holds.
Images are counted by the day, UTC; a request that would exceed it takes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from aigc.service.keys import Key

_DAY_S = 86_400.0


class Ledger(Protocol):
    async def take(self, key: Key, images: int) -> float | None:
        """Count one request for `images`. None, or the seconds until it would be possible.

        A negative count is no request: it gives back images that were not made.
        """
        ...


@dataclass
class _Account:
    tokens: float
    at: float
    day: int = 0
    images: int = 0


class LocalLedger:
    """Holds within one process. `clock` gives seconds since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._accounts: dict[str, _Account] = {}

    async def take(self, key: Key, images: int) -> float | None:
        if key.images_per_day is None and key.requests_per_minute is None:
            return None
        now = self._clock()
        account = self._accounts.setdefault(key.id, _Account(key.requests_per_minute or 0, now))
        if images < 0:
            account.images = max(0, account.images + images)
            return None
        wait_s = _until_a_token(account, key, now) or _until_images(account, key, images, now)
        if wait_s:
            return wait_s
        account.tokens -= 1
        account.images += images
        return None


def _until_a_token(account: _Account, key: Key, now: float) -> float:
    rate = key.requests_per_minute
    if rate is None:
        return 0.0
    account.tokens = min(rate, account.tokens + max(0.0, now - account.at) * rate / 60)
    account.at = now
    return 0.0 if account.tokens >= 1 else (1 - account.tokens) * 60 / rate


def _until_images(account: _Account, key: Key, images: int, now: float) -> float:
    if key.images_per_day is None:
        return 0.0
    day = int(now // _DAY_S)
    if day != account.day:
        account.day, account.images = day, 0
    within = account.images + images <= key.images_per_day
    return 0.0 if within else (day + 1) * _DAY_S - now
