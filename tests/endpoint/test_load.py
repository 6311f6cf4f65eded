"""Too many requests, clients that hang up, models that change meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from aigc.endpoint.settings import EndpointSettings
from aigc.service import batcher
from aigc.service.batcher import Batcher
from aigc.service.rendering import render
from tests.endpoint.conftest import Endpoint
from tests.models_for_tests import publish_tiny
from tests.service.test_catalogue import publish_bad
from tests.waiting import LIMIT_S, wait_until

GENERATIONS = "/v1/images/generations"
ONE: dict[str, Any] = {"model": "tiny", "prompt": "one"}


def crowd(url: str, count: int, body: dict) -> list[httpx.Response]:
    async def all_at_once() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=url, timeout=LIMIT_S, limits=limits) as client:
            asked = (client.post(GENERATIONS, json=body) for _ in range(count))
            return await asyncio.gather(*asked)

    return asyncio.run(all_at_once())


@contextlib.contextmanager
def nothing_rendered() -> Iterator[None]:
    """Inside, batches that are begun do not end."""
    freed = threading.Event()

    def held(*batch: Any) -> Any:
        freed.wait(LIMIT_S)
        return render(*batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batcher, "render", held)
        try:
            yield
        finally:
            freed.set()


@contextlib.contextmanager
def occupied(client: httpx.Client) -> Iterator[Batcher]:
    """The queue of a service with one render thread, which has one image to make until the end."""
    queue: Batcher = client.service.batcher  # type: ignore[attr-defined]
    ask = functools.partial(client.post, GENERATIONS, json=ONE, timeout=LIMIT_S)
    with ThreadPoolExecutor(1) as pool:
        with nothing_rendered():
            first = pool.submit(ask)
            wait_until(lambda: queue._started_at)
            yield queue
        assert first.result().status_code == 200


def test_too_much_is_refused_with_a_time(models: Endpoint) -> None:
    room: dict[str, Any] = {"max_queued_images": 1024, "max_wait_s": 1e3}
    with models.running(models=("tiny",), render_threads=1, **room) as client:
        with ThreadPoolExecutor(1) as pool, occupied(client) as queue:
            asked = pool.submit(crowd, str(client.base_url), 60, ONE | {"n": 64})
            wait_until(lambda: queue.stats.refused == 44)
        codes = Counter(answer.status_code for answer in asked.result())
        assert codes == {200: 16, 503: 44}
        for answer in asked.result():
            if answer.status_code == 503:
                assert int(answer.headers["retry-after"]) >= 1
                assert answer.json()["error"]["code"] == "overloaded"
        assert client.post(GENERATIONS, json=ONE).status_code == 200
        assert "aigc_queue_images 0.0" in client.get("/metrics").text


def test_places_are_counted(models: Endpoint) -> None:
    settings = EndpointSettings(max_in_flight=4, access_log=False)
    refused = 'aigc_http_requests_total{code="503",route="/v1/images/generations"} 17.0'
    with models.running(models=("tiny",), endpoint=settings, render_threads=1) as client:
        with ThreadPoolExecutor(1) as pool, occupied(client):
            asked = pool.submit(crowd, str(client.base_url), 20, ONE | {"n": 64})
            wait_until(lambda: refused in client.get("/metrics").text)
        codes = Counter(answer.status_code for answer in asked.result())
        assert codes == {200: 3, 503: 17}
        assert client.get("/v1/models").status_code == 200


def test_a_request_may_take_so_long_and_no_longer(models: Endpoint) -> None:
    body, settings = ONE | {"n": 64}, EndpointSettings(request_s=0.3, access_log=False)
    with (
        models.running(models=("tiny",), endpoint=settings, micro_batch=16) as client,
        nothing_rendered(),
    ):
        answer = client.post(GENERATIONS, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "timeout")
        assert "longer than 0.3 s" in answer.json()["error"]["message"]
        assert answer.headers["retry-after"] == "1"
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
            client.post(GENERATIONS, json=body | {"stream": True})
        wait_until(lambda: client.service.batcher.stats.cancelled == 2)
        assert client.get("/readyz").status_code == 200


def test_who_hangs_up_frees_the_place(models: Endpoint) -> None:
    with models.running(models=("tiny",), render_threads=1, max_wait_s=1e3) as client:
        body = b'{"model":"tiny","prompt":"one","n":32}'
        head = f"POST {GENERATIONS} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
        request = head.encode() + b"content-type: application/json\r\n\r\n" + body
        place = (client.base_url.host, client.base_url.port or 0)
        raws = [socket.create_connection(place) for _ in range(20)]
        with occupied(client) as queue:
            for raw in raws:
                raw.sendall(request)
            wait_until(lambda: queue.stats.queued == 20 * 32)
            for raw in raws:
                raw.close()
            wait_until(lambda: queue.stats.queued == 0)
            assert queue.stats.cancelled == 20
        assert client.post(GENERATIONS, json=ONE).is_success
        assert queue.stats.images == 2


def test_models_change_under_traffic(tmp_path: Path) -> None:
    models = Endpoint(tmp_path / "store")
    models.store.promote("tiny", "v1")
    answers: list[tuple[str, httpx.Response]] = []
    ended = threading.Event()

    def ask(url: str, ref: str) -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            while not ended.is_set():
                body = {"model": ref, "prompt": "one", "seed": 1, "n": 2}
                answers.append((ref, client.post(GENERATIONS, json=body)))

    with models.running(models=("tiny@production",), poll_interval_s=0.1) as client:
        url = str(client.base_url)
        threads = [
            threading.Thread(target=ask, args=(url, ref)) for ref in ("tiny", "tiny", "tiny@v1")
        ]
        for thread in threads:
            thread.start()
        publish_tiny(store=models.store, seed=1)
        models.store.promote("tiny", "v2")
        wait_until(lambda: version(client) == "tiny@v2")
        models.store.promote("tiny", publish_bad(models.store).version)
        wait_until(lambda: "unhealthy" in client.get("/v1/models/tiny").json())
        assert version(client) == "tiny@v2"
        unfit = client.get("/v1/models/tiny").json()["unhealthy"]
        assert unfit["version"] == "tiny@v3"
        assert 'aigc_model_unhealthy{model="tiny",version="v3"} 1.0' in client.get("/metrics").text
        models.store.promote("tiny", "v1")
        wait_until(lambda: version(client) == "tiny@v1")
        ended.set()
        for thread in threads:
            thread.join()
    assert {answer.status_code for _, answer in answers} == {200}
    made = {(ref, answer.json()["model"]) for ref, answer in answers}
    assert made == {("tiny", "tiny@v1"), ("tiny", "tiny@v2"), ("tiny@v1", "tiny@v1")}
    pictures = {(a.json()["model"], str(a.json()["data"])) for _, a in answers}
    assert len(pictures) == 2


def version(client: httpx.Client) -> str:
    found: str = client.get("/v1/models/tiny").json()["version"]
    return found
