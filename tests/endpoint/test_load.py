"""Too many requests, clients that hang up, models that change meanwhile."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from aigc.endpoint.settings import EndpointSettings
from tests.endpoint.conftest import Endpoint
from tests.models_for_tests import publish_tiny
from tests.service.test_catalogue import publish_bad

GENERATIONS = "/v1/images/generations"


def crowd(url: str, count: int, body: dict) -> list[httpx.Response]:
    async def all_at_once() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
            asked = (client.post(GENERATIONS, json=body) for _ in range(count))
            return await asyncio.gather(*asked)

    return asyncio.run(all_at_once())


def test_too_much_is_refused_with_a_time(models: Endpoint) -> None:
    body = {"model": "tiny", "prompt": "one", "n": 64, "size": "256x256"}
    with models.running(models=("tiny",), max_queued_images=1024) as client:
        answers = crowd(str(client.base_url), 60, body)
        codes = Counter(answer.status_code for answer in answers)
        assert set(codes) == {200, 503}
        for answer in answers:
            if answer.status_code == 503:
                assert int(answer.headers["retry-after"]) >= 1
                assert answer.json()["error"]["code"] == "overloaded"
        assert client.post(GENERATIONS, json=body | {"n": 1}).status_code == 200
        assert "aigc_queue_images 0.0" in client.get("/metrics").text


def test_places_are_counted(models: Endpoint) -> None:
    body = {"model": "tiny", "prompt": "one", "n": 64, "size": "256x256"}
    settings = EndpointSettings(max_in_flight=4, access_log=False)
    with models.running(models=("tiny",), endpoint=settings) as client:
        codes = Counter(a.status_code for a in crowd(str(client.base_url), 20, body))
        assert set(codes) == {200, 503}
        assert codes[200] >= 4
        assert client.get("/v1/models").status_code == 200


def test_a_request_may_take_so_long_and_no_longer(models: Endpoint) -> None:
    body = {"model": "tiny", "prompt": "one", "n": 1024, "size": "512x512"}  # some three seconds
    settings = EndpointSettings(request_s=0.3, access_log=False)
    room = {"max_n": 1024, "max_pixels": 2**28}
    with models.running(models=("tiny",), endpoint=settings, **room) as client:
        answer = client.post(GENERATIONS, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "timeout")
        assert "longer than 0.3 s" in answer.json()["error"]["message"]
        assert answer.headers["retry-after"] == "1"
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
            client.post(GENERATIONS, json=body | {"stream": True})
        batcher = client.service.batcher
        assert batcher.stats.cancelled >= 1
        assert client.get("/readyz").status_code == 200


def test_who_hangs_up_frees_the_place(models: Endpoint) -> None:
    with models.running(models=("tiny",), max_queued_images=10**6, max_wait_s=1e3) as client:
        body = b'{"model":"tiny","prompt":"one","n":32,"size":"512x512"}'
        head = f"POST {GENERATIONS} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
        request = head.encode() + b"content-type: application/json\r\n\r\n" + body
        place = (client.base_url.host, client.base_url.port or 0)
        raws = [socket.create_connection(place) for _ in range(20)]
        for raw in raws:
            raw.sendall(request)
        batcher = client.service.batcher
        wait_for(lambda: batcher.stats.queued >= 20)
        for raw in raws:
            raw.close()
        until = time.monotonic() + 10
        while batcher.stats.queued and time.monotonic() < until:
            time.sleep(0.02)
        assert batcher.stats.cancelled >= 5
        assert batcher.stats.images < 320
        assert client.post(GENERATIONS, json={"model": "tiny", "prompt": "one"}).is_success


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
        wait_for(lambda: version(client) == "tiny@v2")
        models.store.promote("tiny", publish_bad(models.store).version)
        wait_for(lambda: "unhealthy" in client.get("/v1/models/tiny").json())
        assert version(client) == "tiny@v2"
        unfit = client.get("/v1/models/tiny").json()["unhealthy"]
        assert unfit["version"] == "tiny@v3"
        assert 'aigc_model_unhealthy{model="tiny",version="v3"} 1.0' in client.get("/metrics").text
        models.store.promote("tiny", "v1")
        wait_for(lambda: version(client) == "tiny@v1")
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


def wait_for(true) -> None:
    until = time.monotonic() + 10
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)
