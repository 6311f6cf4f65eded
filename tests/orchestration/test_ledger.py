from __future__ import annotations

import asyncio

import pytest
import ray

from aigc.orchestration.ledger import ClusterLedger
from aigc.service.keys import Key

pytestmark = pytest.mark.integration


def limited(images_per_day: int) -> Key:
    return Key("abcdefgh", "0" * 64, ("generate",), "2026-01-01", images_per_day=images_per_day)


def test_replicas_share_one_account(ray_session) -> None:
    key, free = limited(10), Key("ijklmnop", "0" * 64, ("generate",), "2026-01-01")
    one, other = ClusterLedger(), ClusterLedger()
    ray.get(one._books.take_all.remote([]))  # it has started: no question waits for that

    async def use() -> list[float | None]:
        first = [await one.take(key, 4), await other.take(key, 4), await one.take(key, 4)]
        return [*first, await other.take(key, 2), await one.take(free, 10**6)]

    answers = asyncio.run(use())
    assert answers[:2] == [None, None]
    assert answers[2] is not None
    assert 0 < answers[2] <= 86_400
    assert answers[3:] == [None, None]


def test_a_crowd_is_counted_exactly_and_asks_seldom(ray_session) -> None:
    key, ledger = limited(150), ClusterLedger("ledger-crowd")
    ray.get(ledger._books.take_all.remote([]))

    async def crowd() -> list[float | None]:
        return list(await asyncio.gather(*(ledger.take(key, 1) for _ in range(400))))

    answers = asyncio.run(crowd())
    assert answers.count(None) == 150
    assert ledger.questions <= 3


def test_without_the_actor_each_replica_goes_by_its_own_count(ray_session) -> None:
    key, ledger = limited(10), ClusterLedger("ledger-gone", retry_s=3)
    ray.get(ledger._books.take_all.remote([]))  # it has started: no question waits for that

    async def use() -> list[float | None]:
        assert await ledger.take(key, 6) is None
        ray.kill(ledger._books, no_restart=True)
        answers = [await ledger.take(key, images) for images in (3, 3)]
        assert ledger.alone
        async with asyncio.timeout(60):
            while ledger.alone:
                await asyncio.sleep(0.05)
        return [*answers, await ledger.take(key, 10)]

    answers = asyncio.run(use())
    assert answers[0] is None
    assert answers[1] is not None
    assert answers[2] is None, "an actor that began anew begins anew"
