"""Keys, scopes and quotas; and that a key is written down nowhere."""

from __future__ import annotations

import json
import logging
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from aigc.endpoint.access_log import LOGGER
from aigc.endpoint.settings import EndpointSettings
from aigc.service import keys
from aigc.service.batcher import Batcher
from tests.endpoint.conftest import Endpoint
from tests.waiting import wait_until

ASKED = {"model": "tiny", "prompt": "one"}


class Guarded:
    def __init__(self, client: httpx.Client, file: str, lines: list[str]) -> None:
        self.client, self.file, self.lines = client, file, lines

    def key(self, *scopes: str, **limits: Any) -> tuple[dict[str, str], keys.Key]:
        """Headers of a new key, which the endpoint knows a moment later."""
        secret, key = keys.create(self.file, scopes, **limits)
        headers = {"authorization": f"Bearer {secret}"}
        wait_until(lambda: self.client.get("/v1/models", headers=headers).status_code == 200)
        return headers, key


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture(scope="module")
def guarded(models: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    file = str(tmp_path_factory.mktemp("keys") / "keys.jsonl")
    keys.create(file, ["generate"])
    handler, logger = _Lines(), logging.getLogger(LOGGER)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    settings = EndpointSettings(keys=file, keys_refresh_s=0.05)
    with models.running(endpoint=settings) as client:
        yield Guarded(client, file, handler.lines)
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/images/generations"),
        ("POST", "/v1/images/variations"),
        ("POST", "/v1/images/edits"),
        ("POST", "/v1/latents/walk"),
        ("GET", "/v1/images/tiny@v1/one/1/0.png"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/tiny"),
        ("GET", "/v1/sets"),
        ("GET", "/v1/sets/any/items/0"),
        ("GET", "/metrics"),
        ("GET", "/nowhere"),
        ("GET", "/studio"),
        ("OPTIONS", "/v1/images/generations"),
    ],
)
def test_without_a_key_nothing_goes(guarded: Guarded, method: str, path: str) -> None:
    for headers in ({}, {"authorization": "Bearer nonsense"}, {"authorization": "Basic eDp5"}):
        answer = guarded.client.request(method, path, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "authentication_error"
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/", "/docs", "/openapi.json"])
def test_health_and_the_bare_pages_need_none(guarded: Guarded, path: str) -> None:
    assert guarded.client.get(path).status_code == 200


def test_a_scope_does_its_own_work_only(guarded: Guarded) -> None:
    makes, _ = guarded.key("generate")
    admin, _ = guarded.key("admin")
    batch, _ = guarded.key("batch")
    post, get = guarded.client.post, guarded.client.get
    assert post("/v1/images/generations", json=ASKED, headers=makes).status_code == 200
    assert get("/metrics", headers=makes).status_code == 403
    assert get("/v1/sets", headers=makes).status_code == 403
    assert get("/metrics", headers=admin).status_code == 200
    assert post("/v1/images/generations", json=ASKED, headers=admin).status_code == 403
    assert post("/v1/images/generations", json=ASKED, headers=batch).status_code == 403
    assert get("/v1/sets", headers=batch).json() == {"object": "list", "data": []}


def test_a_revoked_key_stops(guarded: Guarded) -> None:
    headers, key = guarded.key("generate")
    keys.revoke(guarded.file, key.id)
    wait_until(lambda: guarded.client.get("/v1/models", headers=headers).status_code == 401)


def test_addresses_open_without_a_header_for_a_while(guarded: Guarded) -> None:
    headers, key = guarded.key("generate", images_per_day=2)
    asked = ASKED | {"n": 2, "seed": 3, "response_format": "url", "truncation": 0.5}
    made = guarded.client.post("/v1/images/generations", json=asked, headers=headers)
    first, second = (item["url"] for item in made.json()["data"])
    picture = guarded.client.get(first)
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
    assert picture.headers["cache-control"] == "private, max-age=31536000, immutable"
    tag = {"if-none-match": picture.headers["etag"]}
    assert guarded.client.get(first, headers=tag).status_code == 304
    assert guarded.client.head(second).status_code == 200
    later = re.sub(r"expires=(\d+)", lambda found: f"expires={int(found[1]) + 9}", first)
    swapped = second.partition("?")[0] + "?" + first.partition("?")[2]
    models = f"/v1/models?{first.partition('?')[2]}"
    for other in (later, swapped, models, first.partition("?")[0]):
        assert guarded.client.get(other).status_code == 401
    assert guarded.client.get(first, headers={"authorization": "Bearer x"}).status_code == 401
    keys.revoke(guarded.file, key.id)
    wait_until(lambda: guarded.client.get(first).status_code == 401)


def test_addresses_expire(models: Endpoint, tmp_path: Path) -> None:
    file = str(tmp_path / "keys.jsonl")
    secret, _ = keys.create(file, ["generate"])
    settings = EndpointSettings(keys=file, access_log=False, url_lifetime_s=-1)
    with models.running(endpoint=settings) as client:
        asked, headers = ASKED | {"response_format": "url"}, {"authorization": f"Bearer {secret}"}
        made = client.post("/v1/images/generations", json=asked, headers=headers).json()
        refused = client.get(made["data"][0]["url"])
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "expired_address")


def test_quotas(guarded: Guarded) -> None:
    headers, _ = guarded.key("generate", images_per_day=5)
    post = guarded.client.post
    made = post("/v1/images/generations", json=ASKED | {"n": 4}, headers=headers)
    assert made.status_code == 200
    over = post("/v1/images/generations", json=ASKED | {"n": 2}, headers=headers)
    assert over.status_code == 429
    assert over.json()["error"]["code"] == "rate_limit_exceeded"
    assert int(over.headers["retry-after"]) >= 1
    assert guarded.client.get("/v1/images/tiny@v1/one/1/0.png", headers=headers).status_code == 200
    assert guarded.client.get("/v1/images/tiny@v1/one/1/1.png", headers=headers).status_code == 429


def test_what_is_no_picture_uses_up_no_pictures(guarded: Guarded) -> None:
    headers, _ = guarded.key("generate", images_per_day=5)
    post, sent = guarded.client.post, {"image": ("x.png", b"no picture", "image/png")}
    for _ in range(3):
        fields = {"model": "vae", "n": "4"}
        wrong = post("/v1/images/variations", data=fields, files=sent, headers=headers)
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "invalid_image")
    made = post("/v1/images/generations", json=ASKED | {"n": 5}, headers=headers)
    assert made.status_code == 200


def test_requests_a_minute(guarded: Guarded) -> None:
    headers, _ = guarded.key("generate", requests_per_minute=3)
    codes = [
        guarded.client.post("/v1/images/generations", json=ASKED, headers=headers).status_code
        for _ in range(5)
    ]
    assert codes == [200, 200, 200, 429, 429]


def test_keys_are_written_down_nowhere(guarded: Guarded) -> None:
    headers, key = guarded.key("generate", "admin")
    secret = headers["authorization"].partition(" ")[2]
    client = guarded.client
    answers = [
        client.post("/v1/images/generations", json=ASKED, headers=headers),
        client.post("/v1/images/generations", json={"model": secret}, headers=headers),
        client.post("/v1/images/generations", json={secret: 1}, headers=headers),
        client.get(f"/v1/models/{secret}", headers=headers),
        client.get(f"/{secret}?key={secret}", headers=headers),
        client.get("/v1/models", headers=headers | {"x-request-id": secret}),
        client.get("/metrics", headers=headers),
    ]
    for answer in answers:
        assert secret not in answer.text
        assert secret not in str(answer.headers)
    log = "\n".join(guarded.lines)
    assert secret not in log
    assert secret.rpartition("-")[2] not in log
    mine = [json.loads(line) for line in guarded.lines if f'"{key.id}"' in line]
    made = next(line for line in mine if line["path"] == "/v1/images/generations")
    assert (made["status"], made["images"], made["model"]) == (200, 1, "tiny@v1")
    assert made["id"] == answers[0].headers["x-request-id"]


def test_the_file_holds_hashes_only(guarded: Guarded) -> None:
    headers, _ = guarded.key("generate")
    assert headers["authorization"].partition(" ")[2] not in Path(guarded.file).read_text()


def test_who_finds_no_place_is_not_charged(models: Endpoint, tmp_path: Path) -> None:
    file = str(tmp_path / "keys.jsonl")
    secret, _ = keys.create(file, ["generate"], images_per_day=1)
    settings = EndpointSettings(keys=file, access_log=False)
    with models.running(endpoint=settings, max_queued_images=32) as client:
        client.headers["authorization"] = f"Bearer {secret}"
        batcher = client.service.batcher
        batcher.close()
        assert client.post("/v1/images/generations", json=ASKED).status_code == 503
        assert client.get("/readyz").status_code == 503
        client.service._batcher = Batcher(batcher._settings)
        assert client.post("/v1/images/generations", json=ASKED).status_code == 200
        assert client.post("/v1/images/generations", json=ASKED).status_code == 429


def test_who_is_refused_has_not_had_his_picture_read(models: Endpoint, tmp_path: Path) -> None:
    file, path = str(tmp_path / "keys.jsonl"), "/v1/images/variations"
    secret, _ = keys.create(file, ["generate"], requests_per_minute=1)
    settings = EndpointSettings(keys=file, access_log=False, body_timeout_s=600)
    sent = {"data": {"model": "vae"}, "files": {"image": b"no picture"}}
    with models.running(endpoint=settings) as client:
        client.headers["authorization"] = f"Bearer {secret}"
        assert client.post(path, **sent).status_code == 400
        assert client.post(path, **sent).status_code == 429
        client.service.batcher.close()
        with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as raw:
            head = (
                f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {secret}\r\n"
                "content-type: multipart/form-data; boundary=x\r\ncontent-length: 9999999\r\n\r\n"
            )
            raw.sendall(head.encode())
            raw.settimeout(120)  # long before `body_timeout_s`: no picture is waited for
            assert b" 503 " in raw.recv(4096)


def test_the_log_may_be_a_file(models: Endpoint, tmp_path: Path) -> None:
    logger, file = logging.getLogger(LOGGER), tmp_path / "logs" / "access.jsonl"
    before, logger.handlers = logger.handlers, []
    with models.running(endpoint=EndpointSettings(access_log_file=str(file))) as client:
        client.get("/v1/models", headers={"x-request-id": "mine"})
    for handler in logger.handlers:
        handler.close()
    logger.handlers = before
    [line] = [json.loads(line) for line in file.read_text().splitlines()]
    assert line["id"] == "mine"
    assert line["status"] == 200
