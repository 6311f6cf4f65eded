from __future__ import annotations

import asyncio

import pytest

from aigc.orchestration.ledger import ClusterLedger
from aigc.service.keys import Key


@pytest.mark.integration
def test_replicas_share_one_account(ray_session) -> None:
    key = Key("abcdefgh", "0" * 64, ("generate",), "2026-01-01", images_per_day=10)
    free = Key("ijklmnop", "0" * 64, ("generate",), "2026-01-01")
    one, other = ClusterLedger(), ClusterLedger()

    async def use() -> list[float | None]:
        first = [await one.take(key, 4), await other.take(key, 4), await one.take(key, 4)]
        return [*first, await other.take(key, 2), await one.take(free, 10**6)]

    answers = asyncio.run(use())
    assert answers[:2] == [None, None]
    assert answers[2] is not None
    assert 0 < answers[2] <= 86_400
    assert answers[3:] == [None, None]
