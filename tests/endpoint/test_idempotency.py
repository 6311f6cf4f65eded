from __future__ import annotations

import asyncio
import functools
import io
import json
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from starlette.datastructures import UploadFile

from aigc.endpoint.errors import ConflictError
from aigc.endpoint.idempotency import Idempotency
from aigc.endpoint.reading import UploadForm
from aigc.endpoint.settings import EndpointSettings
from aigc.families.protocol import Points
from aigc.service import keys
from aigc.service.batcher import Batcher
from aigc.service.errors import OverloadedError
from aigc.service.loaded_model import LoadedModel
from aigc.service.queued_requests import RenderJob
from aigc.service.service import Service
from tests.endpoint.conftest import Endpoint
from tests.service.points import one_point
from tests.waiting import LIMIT_S

ASKED = {"model": "tiny", "prompt": "one", "n": 2}


def post(client: httpx.Client, name: str, timeout: float = 30, **fields: object) -> httpx.Response:
    headers, asked = {"idempotency-key": name}, ASKED | fields
    return client.post("/v1/images/generations", json=asked, headers=headers, timeout=timeout)


def test_the_same_request_is_made_once(client: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(client, "same"), range(8)))
    assert {answer.content for answer in answers} == {answers[0].content}
    assert [a.headers.get("idempotent-replayed") for a in answers].count(None) == 1
    assert post(client, "other").json()["data"] != answers[0].json()["data"]


def test_what_starts_from_points_is_made_once_too(client: httpx.Client, models) -> None:
    first, second = (client.get(f"/v1/images/vae@v1/one/{n}/0.png").content for n in (1, 2))

    def sent(where: httpx.Client, call: str, picture: bytes, name: str = "points", **fields: str):
        data, files = {"model": "vae"} | fields, {"image": picture}
        headers = {"idempotency-key": name}
        return where.post(f"/v1/images/{call}", data=data, files=files, headers=headers)

    made = [sent(client, call, first, call) for call in ("variations", "edits") for _ in range(2)]
    assert [a.headers.get("idempotent-replayed") for a in made] == [None, "true"] * 2
    assert made[0].content == made[1].content
    assert made[2].json()["data"] != made[0].json()["data"]
    for call, picture, fields in (
        ("edits", first, {}),
        ("variations", second, {}),
        ("variations", first, {"n": "2"}),
    ):
        assert sent(client, call, picture, "variations", **fields).status_code == 409
    streamed = [sent(client, "variations", first, "s", stream="true").text for _ in range(2)]
    assert pictures(streamed[0]) == pictures(streamed[1])
    with models.running(models=("vae",)) as other:
        assert (
            sent(other, "variations", first, "variations").json()["data"]
            == (made[0].json()["data"])
        )


def pictures(events: str) -> list[str]:
    lines = [line.removeprefix("data: ") for line in events.splitlines()]
    return [json.loads(line)["b64_json"] for line in lines if line.startswith("{")]


def test_a_walk_is_made_and_charged_once(models: Endpoint, tmp_path: Path) -> None:
    file, path = str(tmp_path / "keys.jsonl"), "/v1/latents/walk"
    secret, _ = keys.create(file, ["generate"], images_per_day=5)
    ends = {"from": {"label": "one", "seed": 1}, "to": {"label": "two", "seed": 2}}
    walk, headers = {"model": "tiny", "steps": 4, **ends}, {"idempotency-key": "walk"}
    settings = EndpointSettings(keys=file, access_log=False)
    with models.running(endpoint=settings, models=("tiny",)) as client:
        client.headers["authorization"] = f"Bearer {secret}"
        made = [client.post(path, json=walk, headers=headers) for _ in range(3)]
        assert [answer.status_code for answer in made] == [200] * 3
        assert {answer.content for answer in made} == {made[0].content}
        assert client.post(path, json=walk | {"steps": 3}, headers=headers).status_code == 409
        assert client.post(path, json=walk).status_code == 429


def test_a_picture_goes_with_the_request_it_came_with() -> None:
    """Whoever waits for the same answer is told to send it again."""

    async def read() -> None:
        image = UploadFile(io.BytesIO(b"picture"))
        form = UploadForm({}, image)
        await form.digest()
        assert await form.read() == b"picture"
        await image.close()
        with pytest.raises(OverloadedError, match="send it again"):
            await form.read()

    asyncio.run(read())


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


def test_a_call_does_not_copy_what_is_kept() -> None:
    async def answer() -> bytes:
        return b"x"

    async def peak_bytes() -> int:
        once = Idempotency(60, 2**30)
        for number in range(20_000):
            await once.once("k", str(number), b"", answer)
        tracemalloc.start()
        try:
            await once.once("k", "one more", b"", answer)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert asyncio.run(peak_bytes()) < 50_000, "a list of 20,000 entries takes 160 KB"


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


def test_what_nobody_waits_for_is_not_made() -> None:
    """Unless another request waits for the same."""

    class GoneError(Exception):
        pass

    async def left(others: int) -> tuple[list[str], bytes]:
        said: list[str] = []
        gone = asyncio.Event()

        async def answer() -> bytes:
            try:
                await gone.wait()
                said.append("made")
            except asyncio.CancelledError:
                said.append("left")
                raise
            return b"x"

        async def impatient(done: asyncio.Future[bytes]) -> None:
            await asyncio.wait({done}, timeout=0.02)  # not done before `gone` is set
            raise GoneError

        once = Idempotency(60, 5000)
        first = asyncio.create_task(once.once("k", "name", b"", answer, impatient))
        await asyncio.sleep(0)
        more = [asyncio.create_task(once.once("k", "name", b"", answer)) for _ in range(others)]
        with pytest.raises(GoneError):
            await first
        gone.set()
        await asyncio.gather(*more)
        return said, (await once.once("k", "name", b"", answer))[0]

    assert asyncio.run(left(0)) == (["left", "made"], b"x")
    assert asyncio.run(left(1)) == (["made"], b"x")


def test_a_hang_up_frees_the_place(models: Endpoint) -> None:
    freed = threading.Event()

    def blocking(loaded: LoadedModel) -> Points:
        freed.wait(LIMIT_S)
        return one_point(loaded)

    async def left(client: httpx.Client, batcher: Batcher, model: LoadedModel) -> None:
        held = batcher.enter(RenderJob(model, blocking, 1, model.native))
        while held.left:
            await asyncio.sleep(0.01)
        before, call = batcher.stats.cancelled, functools.partial(post, client, "left", timeout=0.5)
        with pytest.raises(httpx.ReadTimeout):
            await asyncio.to_thread(call)
        while batcher.stats.cancelled == before:
            await asyncio.sleep(0.01)
        assert (batcher.stats.cancelled, batcher.stats.queued) == (before + 1, 0)
        freed.set()
        await held.files()

    with models.running(models=("tiny",), render_threads=1) as client:
        service: Service = client.service
        try:
            waits = left(client, service.batcher, service.catalogue.loaded()[0])
            asyncio.run(asyncio.wait_for(waits, LIMIT_S))
        finally:
            freed.set()
        assert "idempotent-replayed" not in post(client, "left").headers
