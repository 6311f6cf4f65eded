"""What the endpoint refuses for its content, and what it writes down of that."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest

from aigc.audit import AuditLog, verify
from aigc.conditions.blocked import BlockList
from aigc.endpoint.settings import EndpointSettings
from aigc.modalities.image import decode
from aigc.service import keys
from aigc.specs import SafetyGate
from tests.classifiers_for_tests import bright
from tests.endpoint.conftest import Endpoint

BLOCKED = BlockList(labels=("three",), words=("blood",))


def logged(log: Path) -> list[dict[str, Any]]:
    assert verify(str(log)).problems == []
    return [json.loads(line) for line in log.read_bytes().splitlines()]


@pytest.fixture(scope="module")
def guarded(models: Endpoint, tmp_path_factory: pytest.TempPathFactory):
    """A client of an endpoint with a block list, and its audit log."""
    log = tmp_path_factory.mktemp("content") / "audit.jsonl"
    settings = EndpointSettings(access_log=False, audit=AuditLog(str(log)))
    with models.running(endpoint=settings, blocked=BLOCKED) as client:
        yield client, log


REFUSED = [
    ("post", "/v1/images/generations", {"model": "tiny", "prompt": "some blood"}, "prompt"),
    ("post", "/v1/images/generations", {"model": "tiny", "prompt": "a three"}, "prompt"),
    ("post", "/v1/images/generations", {"model": "tiny", "labels": ["one", "Three"]}, "labels"),
    ("post", "/v1/images/generations", {"model": "plain", "prompt": "blood"}, "prompt"),
    (
        "post",
        "/v1/images/generations",
        {"model": "tiny", "prompt": "three", "stream": True},
        "prompt",
    ),
    (
        "post",
        "/v1/latents/walk",
        {"model": "tiny", "from": {"seed": 1, "label": "one"}, "to": {"seed": 2, "label": "three"}},
        "to.label",
    ),
    ("get", "/v1/images/tiny@v1/three/1/0.png", None, "label"),
    ("get", "/v1/items/tiny@v1/three/1/0.png", None, "label"),
]


@pytest.mark.parametrize(("method", "path", "body", "param"), REFUSED)
def test_blocked_requests_get_openais_error_and_a_line_in_the_log(
    guarded, method: str, path: str, body, param: str
) -> None:
    client, log = guarded
    before = len(logged(log)) if log.exists() else 0
    answer = client.request(method, path, json=body)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("content_policy_violation", param)
    assert error["type"] == "invalid_request_error"
    [line] = logged(log)[before:]
    assert (line["what"], line["who"]) == ("request.refused", "anonymous")
    assert line["about"]["request"] == answer.headers["x-request-id"]
    assert line["about"]["path"] == path
    assert "blocked here" in line["about"]["reason"]


def test_variations_neither_ask_for_nor_guess_what_is_blocked(guarded) -> None:
    client, _ = guarded
    made = client.post("/v1/images/generations", json={"model": "vae", "prompt": "two"}).json()
    file = {"image": ("a.png", base64.b64decode(made["data"][0]["b64_json"]), "image/png")}
    for path, field in (("variations", "label"), ("edits", "prompt")):
        answer = client.post(
            f"/v1/images/{path}", files=file, data={"model": "vae", field: "three"}
        )
        assert answer.json()["error"]["code"] == "content_policy_violation", path
    assert client.post("/v1/images/variations", files=file, data={"model": "vae"}).is_success


def test_where_nothing_is_asked_for_the_others_are_made(guarded) -> None:
    client, _ = guarded
    made = client.post("/v1/images/generations", json={"model": "tiny", "n": 9}).json()
    assert {each["label"] for each in made["data"]} == {"zero", "one", "two"}


def test_openais_client_sees_the_code(guarded) -> None:
    client, _ = guarded
    theirs = openai.OpenAI(api_key="x", base_url=f"{client.base_url}/v1", max_retries=0)
    with theirs, pytest.raises(openai.BadRequestError) as caught:
        theirs.images.generate(model="tiny", prompt="blood")
    assert caught.value.code == "content_policy_violation"


def test_the_log_names_the_key_and_holds_no_secret(models: Endpoint, tmp_path: Path) -> None:
    secret, key = keys.create(str(tmp_path / "keys"), ["generate"])
    log = tmp_path / "audit.jsonl"
    settings = EndpointSettings(
        access_log=False, audit=AuditLog(str(log)), keys=str(tmp_path / "keys")
    )
    with models.running(endpoint=settings, blocked=BLOCKED) as client:
        headers = {"authorization": f"Bearer {secret}"}
        body = {"model": "tiny", "prompt": "blood"}
        assert client.post("/v1/images/generations", json=body, headers=headers).status_code == 400
    [line] = logged(log)
    assert line["who"] == f"key {key.id}"
    assert secret not in log.read_text()


def test_a_refusal_that_cannot_be_logged_is_a_server_error(models: Endpoint, tmp_path: Path):
    for policy, status in (("stop", 503), ("continue", 400)):
        audit = AuditLog(str(tmp_path), policy)  # type: ignore[arg-type]
        settings = EndpointSettings(access_log=False, audit=audit)
        with models.running(endpoint=settings, blocked=BLOCKED) as client:
            body = {"model": "tiny", "prompt": "blood"}
            answer = client.post("/v1/images/generations", json=body)
            assert answer.status_code == status
            plain = client.post("/v1/images/generations", json={"model": "tiny"})
            assert plain.status_code == 200


def pixels_of(client: httpx.Client, **asked) -> np.ndarray:
    """Of 16 images of one seed."""
    body = {"model": "tiny", "labels": ["one"], "n": 16, "seed": 5} | asked
    found = client.post("/v1/images/generations", json=body)
    assert found.is_success, found.text
    files = [base64.b64decode(each["b64_json"]) for each in found.json()["data"]]
    return np.stack([decode(file, 1) for file in files])


@pytest.fixture(scope="module")
def median(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> SafetyGate:
    """A gate that refuses half of the images of a seed."""
    levels = pixels_of(client).mean((1, 2, 3)) / 255
    return bright(tmp_path_factory.mktemp("median"), float(np.median(levels)))


@pytest.mark.parametrize("apart", [False, True], ids=["inline", "render process"])
def test_unsafe_images_are_replaced_as_in_bulk(
    models: Endpoint, client: httpx.Client, median: SafetyGate, apart: bool
) -> None:
    plain = pixels_of(client)
    with models.running(safety=median, render_process=apart) as safe:
        found = pixels_of(safe)
        assert (found.mean((1, 2, 3)) / 255 < median.threshold + 0.01).all()
        same = (found == plain).all((1, 2, 3))
        assert same.tolist() == (plain.mean((1, 2, 3)) / 255 < median.threshold).tolist()
        assert same.sum() == 8
        np.testing.assert_array_equal(pixels_of(safe), found)
        np.testing.assert_array_equal(pixels_of(safe, n=1, index=3)[0], found[3])
        body = {"model": "tiny", "labels": ["one"], "n": 1, "seed": 5, "response_format": "url"}
        url = safe.post("/v1/images/generations", json=body).json()["data"][0]["url"]
        kept = safe.get(url)
        np.testing.assert_array_equal(decode(kept.content, 1), found[0])
    ungated = client.get("/v1" + url.partition("/v1")[2])
    assert kept.headers["etag"] != ungated.headers["etag"]


def test_a_request_of_which_every_draw_is_unsafe_is_refused_alone(
    models: Endpoint, client: httpx.Client, median: SafetyGate, tmp_path: Path
) -> None:
    log = tmp_path / "audit.jsonl"
    settings = EndpointSettings(access_log=False, audit=AuditLog(str(log)))
    with models.running(endpoint=settings, safety=median, max_draws=1) as safe:
        body = {"model": "tiny", "labels": ["one"], "n": 16, "seed": 5}
        answer = safe.post("/v1/images/generations", json=body)
        assert answer.status_code == 400, answer.text
        error = answer.json()["error"]
        assert error["code"] == "content_policy_violation"
        assert "8 of 16 items are unsafe" in error["message"]
        with safe.stream("POST", "/v1/images/generations", json=body | {"stream": True}) as sent:
            assert "content_policy_violation" in sent.read().decode()
        at = int(pixels_of(client).mean((1, 2, 3)).argmin())
        assert len(pixels_of(safe, n=1, index=at)) == 1
    assert [line["what"] for line in logged(log)] == ["request.refused"] * 2
