from __future__ import annotations

import asyncio
import time

import pytest
import ray

from aigc.distributed import rate_limiter as rate_limiter_module
from aigc.distributed.rate_limiter import ClusterRateLimiter
from aigc.service.keys import Key
from tests.waiting import wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _a_busy_actor_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a replica does without an answer is tested with an actor that has ended."""
    monkeypatch.setattr(rate_limiter_module, "_ANSWER_TIMEOUT_S", 60)


def limited(images_per_day: int) -> Key:
    return Key("abcdefgh", "0" * 64, ("generate",), "2026-01-01", images_per_day=images_per_day)


def test_replicas_share_one_account(ray_session) -> None:
    key, free = limited(10), Key("ijklmnop", "0" * 64, ("generate",), "2026-01-01")
    one, other = ClusterRateLimiter(), ClusterRateLimiter()
    ray.get(one._actor.apply_all.remote([]))  # it has started: no question waits for that

    async def use() -> list[float | None]:
        first = [await one.take(key, 4), await other.take(key, 4), await one.take(key, 4)]
        return [*first, await other.take(key, 2), await one.take(free, 10**6)]

    answers = asyncio.run(use())
    assert answers[:2] == [None, None]
    assert answers[2] is not None
    assert 0 < answers[2] <= 86_400
    assert answers[3:] == [None, None]


def test_a_crowd_is_counted_exactly_and_asks_seldom(ray_session) -> None:
    key, rate_limiter = limited(150), ClusterRateLimiter("ledger-crowd")
    ray.get(rate_limiter._actor.apply_all.remote([]))

    async def crowd() -> list[float | None]:
        return list(await asyncio.gather(*(rate_limiter.take(key, 1) for _ in range(400))))

    answers = asyncio.run(crowd())
    assert answers.count(None) == 150
    assert rate_limiter.calls <= 3


@pytest.mark.faults
def test_without_the_actor_each_replica_goes_by_its_own_count(ray_session) -> None:
    key, rate_limiter = limited(10), ClusterRateLimiter("ledger-gone", retry_s=3)
    ray.get(rate_limiter._actor.apply_all.remote([]))  # it has started: no question waits for that

    async def use() -> list[float | None]:
        assert await rate_limiter.take(key, 6) is None
        ray.kill(rate_limiter._actor, no_restart=True)
        answers = [await rate_limiter.take(key, images) for images in (3, 3)]
        assert rate_limiter.is_local
        async with asyncio.timeout(60):
            while rate_limiter.is_local:
                await asyncio.sleep(0.05)
        return [*answers, await rate_limiter.take(key, 10)]

    answers = asyncio.run(use())
    assert answers[0] is None
    assert answers[1] is not None
    assert answers[2] is None, "an actor that began anew begins anew"


def test_what_was_refused_is_given_back_for_all_replicas(ray_session) -> None:
    key, one, other = (
        limited(10),
        ClusterRateLimiter("ledger-back"),
        ClusterRateLimiter("ledger-back"),
    )
    ray.get(one._actor.apply_all.remote([]))

    async def use() -> list[float | None]:
        first = [await one.take(key, 10), await other.take(key, 1)]
        await one.refund(key, 10, 1, time.time())
        return [*first, await other.take(key, 10), await one.take(key, 1)]

    granted = [wait_s is None for wait_s in asyncio.run(use())]
    assert granted == [True, False, True, False]


def test_an_actor_of_other_code_is_replaced_and_its_counts_go_on(ray_session) -> None:
    """Also what it counts while replicas are replaced one by one; then it is ended."""
    key = limited(10)
    old = ClusterRateLimiter("ledger-upgrade", code="old", unused_s=600)
    ray.get(old._actor.apply_all.remote([]))

    async def use() -> list[bool]:
        granted = [await old.take(key, 4) is None]
        new = ClusterRateLimiter("ledger-upgrade", code="new", unused_s=600)
        await new._actor.carry_over.remote()
        granted += [await new.take(key, 7) is None, await new.take(key, 3) is None]
        granted.append(await old.take(key, 2) is None)
        await new._actor.carry_over.remote()
        return [*granted, await new.take(key, 2) is None, await new.take(key, 1) is None]

    assert asyncio.run(use()) == [True, False, True, True, False, True]
    assert exists("ledger-upgrade-old")
    third = ClusterRateLimiter("ledger-upgrade", code="third", unused_s=0.5)
    assert asyncio.run(first(third, key, 1)) is not None
    wait_until(lambda: not exists("ledger-upgrade-old") and not exists("ledger-upgrade-new"))


def test_an_actor_that_cannot_say_what_it_counted_is_ended(ray_session) -> None:
    class Before:
        async def take_all(self, asked: object) -> None: ...

    kind = ray.remote(Before)
    kind.options(name="ledger-before", namespace="aigc", lifetime="detached", num_cpus=0).remote()
    rate_limiter = ClusterRateLimiter("ledger-before")
    assert asyncio.run(first(rate_limiter, limited(10), 10)) is None
    wait_until(lambda: not exists("ledger-before"))


async def first(rate_limiter: ClusterRateLimiter, key: Key, images: int) -> float | None:
    """The answer to `rate_limiter`'s first question, when counts were carried over."""
    await rate_limiter._actor.carry_over.remote()
    return await rate_limiter.take(key, images)


def exists(name: str) -> bool:
    try:
        ray.get_actor(name, "aigc")
    except ValueError:
        return False
    return True
