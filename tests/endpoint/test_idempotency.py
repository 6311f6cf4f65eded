from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from aigc.endpoint.errors import ConflictError
from aigc.endpoint.idempotency import Idempotency

ASKED = {"model": "tiny", "prompt": "one", "n": 2}


def post(client: httpx.Client, name: str, **fields: object) -> httpx.Response:
    headers = {"idempotency-key": name}
    return client.post("/v1/images/generations", json=ASKED | fields, headers=headers)


def test_the_same_request_is_made_once(client: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(client, "same"), range(8)))
    assert {answer.content for answer in answers} == {answers[0].content}
    assert [a.headers.get("idempotent-replayed") for a in answers].count(None) == 1
    assert post(client, "other").json()["data"] != answers[0].json()["data"]


def test_another_request_under_the_same_key(client: httpx.Client) -> None:
    post(client, "taken")
    answer = post(client, "taken", n=3)
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "idempotency_key_reused"


def test_another_process_makes_the_same_pictures(client: httpx.Client, models) -> None:
    """It does not know that it is a repeat, and cannot tell that a key was used for another."""
    here = post(client, "everywhere").json()
    with models.running(models=("tiny",)) as other:
        there = post(other, "everywhere")
    assert here["data"] == there.json()["data"]
    assert "idempotent-replayed" not in there.headers
    assert post(client, "everywhere", n=3).status_code == 409
    with models.running(models=("tiny",)) as other:
        assert post(other, "everywhere", n=3).status_code == 200


def test_an_error_is_not_kept(client: httpx.Client) -> None:
    assert post(client, "wrong", prompt="boat").status_code == 400
    assert post(client, "wrong").status_code == 200
    assert post(client, "x" * 256).status_code == 400


def test_memory_and_time_are_bounded() -> None:
    async def answer() -> bytes:
        return b"x" * 1000

    async def many(once: Idempotency) -> tuple[bool, bool]:
        for number in range(100):
            await once.once("k", str(number), b"", answer)
        _, oldest = await once.once("k", "0", b"", answer)
        _, newest = await once.once("k", "99", b"", answer)
        return oldest, newest

    assert asyncio.run(many(Idempotency(60, 20_000))) == (False, True)
    assert asyncio.run(many(Idempotency(0, 20_000))) == (False, False)


def test_callers_do_not_share_keys() -> None:
    async def answer() -> bytes:
        return b"x"

    async def both() -> None:
        once = Idempotency(60, 5000)
        await once.once("a", "name", b"1", answer)
        await once.once("b", "name", b"2", answer)
        with pytest.raises(ConflictError):
            await once.once("a", "name", b"2", answer)

    asyncio.run(both())
