"""Keys get back what they were charged for and did not get."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from aigc.endpoint.app import create_app
from aigc.endpoint.settings import EndpointSettings
from aigc.families.protocol import Points
from aigc.service import batcher, keys, rendering
from aigc.service.errors import OverloadedError, UnhealthyModelError
from aigc.service.keys import Key
from aigc.service.loaded_model import LoadedModel
from aigc.service.queued_requests import BatchSlice, RenderJob
from aigc.service.quota import LocalRateLimiter
from aigc.service.service import Service
from tests.endpoint.conftest import Endpoint, serving
from tests.service.points import one_point

ENDS = {"from": {"label": "one", "seed": 1}, "to": {"label": "two", "seed": 2}}
ASKED = {"model": "tiny", "prompt": "one", "n": 4}
DAILY = 20


class Crowded(LocalRateLimiter):
    """While the next charge is counted, others fill the queue; `free` empties it. Its clock stands,
    so that no request comes back by itself."""

    def __init__(self, service: Service) -> None:
        now = time.time()
        super().__init__(lambda: now)
        self._service, self._freed, self.crowd = service, threading.Event(), False

    def _blocked(self, loaded: LoadedModel) -> Points:
        self._freed.wait(30)
        return one_point(loaded)

    async def take(self, key: Key, images: int) -> float | None:
        wait_s = await super().take(key, images)
        loaded = await self._service.model("tiny")
        with contextlib.suppress(OverloadedError):
            while self.crowd:
                self._service.batcher.enter(RenderJob(loaded, self._blocked, 1, loaded.native))
        return wait_s

    def free(self) -> None:
        self.crowd = False
        self._freed.set()


class Charged:
    def __init__(self, client: httpx.Client, rate_limiter: Crowded, key: Key) -> None:
        self.client, self.rate_limiter, self.key = client, rate_limiter, key

    def used(self) -> tuple[int, int]:
        """Requests of this minute and images of this day."""
        account = self.rate_limiter.accounts[self.key.id]
        assert self.key.requests_per_minute is not None
        return round(self.key.requests_per_minute - account.tokens), account.images


@pytest.fixture
def charged(models: Endpoint, tmp_path: Path) -> Iterator[Charged]:
    file = str(tmp_path / "keys.jsonl")
    limits: dict[str, Any] = {"images_per_day": DAILY, "requests_per_minute": 1000}
    secret, key = keys.create(file, ["generate"], **limits)
    service = models.service(render_threads=1, max_queued_images=16, max_n=64)
    rate_limiter = Crowded(service)
    app = create_app(service, EndpointSettings(keys=file, access_log=False), rate_limiter)
    headers = {"authorization": f"Bearer {secret}"}
    with serving(app) as url, httpx.Client(base_url=url, timeout=30, headers=headers) as client:
        yield Charged(client, rate_limiter, key)
        rate_limiter.free()


def picture(client: httpx.Client) -> bytes:
    return client.get("/v1/images/vae@v1/one/1/0.png").content


def posted(**fields: object) -> Callable[[httpx.Client], httpx.Response]:
    return lambda client: client.post("/v1/images/generations", json=ASKED | fields)


CALLS: dict[str, Callable[[httpx.Client], httpx.Response]] = {
    "a request": posted(),
    "a stream": posted(stream=True),
    "a repeatable request": lambda client: client.post(
        "/v1/images/generations", json=ASKED, headers={"idempotency-key": "mine"}
    ),
    "a walk": lambda client: client.post(
        "/v1/latents/walk", json={"model": "tiny", "steps": 4, **ENDS}
    ),
    "an item": lambda client: client.get("/v1/images/tiny@v1/one/1/0.png"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_finds_the_queue_full_once_charged_costs_nothing(
    charged: Charged, call: Callable[[httpx.Client], httpx.Response]
) -> None:
    charged.rate_limiter.crowd = True
    refused = call(charged.client)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
    assert charged.used() == (0, 0)


def test_a_picture_that_finds_the_queue_full_costs_nothing(charged: Charged) -> None:
    sent = {"image": picture(charged.client)}
    before, charged.rate_limiter.crowd = charged.used(), True
    fields = {"model": "vae", "n": "4"}
    refused = charged.client.post("/v1/images/variations", data=fields, files=sent)
    assert refused.status_code == 503
    assert charged.used() == before


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_is_served_stays_charged(
    charged: Charged, call: Callable[[httpx.Client], httpx.Response]
) -> None:
    assert call(charged.client).status_code == 200
    assert charged.used() in [(1, 4), (1, 1)]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_fails_costs_nothing(
    charged: Charged,
    call: Callable[[httpx.Client], httpx.Response],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(batch: object, here: object) -> None:
        raise UnhealthyModelError("the model gives no numbers")

    monkeypatch.setattr(batcher, "render", broken)
    answer = call(charged.client)
    assert answer.status_code == 503 or "event: error" in answer.text
    assert charged.used() == (0, 0)


def test_of_a_stream_that_breaks_what_came_stays_charged(
    charged: Charged, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, rendered = rendering.render, threading.Event()

    def once(batch, here):
        if rendered.is_set():
            raise UnhealthyModelError("the model gives no numbers")
        rendered.set()
        return real(batch[:1], here)

    monkeypatch.setattr(batcher, "fair_slices", first_half)
    monkeypatch.setattr(batcher, "render", once)
    answer = posted(stream=True)(charged.client).text
    assert answer.count("event: image_generation.completed") == 2
    assert "event: error" in answer
    assert charged.used() == (1, 2)


def first_half(requests, rows):
    request = requests[0]
    return [BatchSlice(request, request.taken, min(2, request.left))]


@pytest.mark.parametrize(
    ("path", "asked", "param"),
    [
        ("/v1/images/generations", ASKED | {"n": DAILY + 1}, "n"),
        ("/v1/latents/walk", {"model": "tiny", "steps": DAILY + 1, **ENDS}, "steps"),
    ],
)
def test_more_than_a_day_ever_holds_is_refused_with_what_can_be_asked(
    charged: Charged, path: str, asked: dict[str, object], param: str
) -> None:
    refused = charged.client.post(path, json=asked)
    assert refused.status_code == 400
    error = refused.json()["error"]
    assert (error["param"], error["code"]) == (param, "quota_too_small")
    assert f"at most {DAILY}" in error["message"]
    assert "retry-after" not in refused.headers
