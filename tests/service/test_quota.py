from __future__ import annotations

import asyncio
from typing import Any

from aigc.service.keys import Key
from aigc.service.quota import LocalRateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000 * 86_400.0

    def __call__(self) -> float:
        return self.now


def key(**limits: Any) -> Key:
    return Key("k", "0" * 64, ("generate",), "now", **limits)


def test_without_limits_everything_goes() -> None:
    rate_limiter = LocalRateLimiter()
    assert all(asyncio.run(rate_limiter.take(key(), 1000)) is None for _ in range(100))


def test_requests_a_minute() -> None:
    clock = Clock()
    rate_limiter, mine = LocalRateLimiter(clock), key(requests_per_minute=60)
    taken = [asyncio.run(rate_limiter.take(mine, 1)) for _ in range(61)]
    assert taken[:60] == [None] * 60
    assert taken[60] is not None
    assert 0 < taken[60] <= 1
    clock.now += 1.01
    assert asyncio.run(rate_limiter.take(mine, 1)) is None
    assert asyncio.run(rate_limiter.take(mine, 1)) is not None


def test_images_a_day() -> None:
    clock = Clock()
    rate_limiter, mine = LocalRateLimiter(clock), key(images_per_day=10)
    assert asyncio.run(rate_limiter.take(mine, 8)) is None
    wait_s = asyncio.run(rate_limiter.take(mine, 3))
    assert wait_s == 86_400
    assert asyncio.run(rate_limiter.take(mine, 2)) is None
    clock.now += wait_s
    assert asyncio.run(rate_limiter.take(mine, 10)) is None


def test_what_is_given_back_can_be_used_again() -> None:
    clock = Clock()
    rate_limiter, mine = LocalRateLimiter(clock), key(images_per_day=10, requests_per_minute=2)
    assert asyncio.run(rate_limiter.take(mine, 8)) is None
    asyncio.run(rate_limiter.refund(mine, 8, 1, clock.now))
    assert asyncio.run(rate_limiter.take(mine, 10)) is None
    asyncio.run(rate_limiter.refund(mine, 10, 0, clock.now))
    assert asyncio.run(rate_limiter.take(mine, 10)) is None, "images alone"
    assert asyncio.run(rate_limiter.take(mine, 1)) == 30, "the request stays counted"


def test_nothing_is_given_back_for_another_day() -> None:
    clock = Clock()
    rate_limiter, mine = LocalRateLimiter(clock), key(images_per_day=10)
    assert asyncio.run(rate_limiter.take(mine, 8)) is None
    taken_at, clock.now = clock.now, clock.now + 86_400
    assert asyncio.run(rate_limiter.take(mine, 10)) is None
    asyncio.run(rate_limiter.refund(mine, 8, 1, taken_at))
    assert asyncio.run(rate_limiter.take(mine, 1)) is not None
