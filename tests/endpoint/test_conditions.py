"""Conditions that are no labels at the endpoint: a text, and a text next to a label."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from aigc.conditions import CONDITIONS
from aigc.distributed import generate
from aigc.endpoint.app import create_app
from aigc.endpoint.settings import EndpointSettings
from aigc.families import FAMILIES
from aigc.service.service import Service
from aigc.service.settings import ServiceSettings
from aigc.sets.verify import verify
from aigc.store import ModelStore, ModelVersion
from tests.endpoint.conftest import serving
from tests.modalities.sets import made

TEXTS = ("hello", "grüße")


@pytest.fixture(scope="module")
def models() -> Iterator[dict[str, ModelVersion]]:
    families, conditions = dict(FAMILIES), dict(CONDITIONS)
    from tests.families import toy, toy_latents

    FAMILIES["stripes"], CONDITIONS["text"] = toy.STRIPES, toy.Text()
    try:
        yield toy_latents.publish(ModelStore())
    finally:
        for name in FAMILIES.keys() - families.keys():
            del FAMILIES[name]
        for name in CONDITIONS.keys() - conditions.keys():
            del CONDITIONS[name]


@pytest.fixture(scope="module")
def client(models: dict[str, ModelVersion]) -> Iterator[httpx.Client]:
    names = tuple(model.ref for model in models.values())
    settings = ServiceSettings(
        names, ModelStore().uri, micro_batch=8, precision="fp32", render_process=False
    )
    app = create_app(Service(settings), EndpointSettings(access_log=False))
    with serving(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def images(client: httpx.Client, address: str, **body: Any) -> list[bytes]:
    answer = client.post(address, json=body)
    assert answer.status_code == 200, answer.text
    return [base64.b64decode(each["b64_json"]) for each in answer.json()["data"]]


def refusal(answer: httpx.Response) -> str:
    assert answer.status_code == 400, answer.text
    message = str(answer.json()["error"]["message"])
    assert "\n" not in message
    return message


def test_a_text_is_prompted_and_has_addresses(
    client: httpx.Client, models: dict[str, ModelVersion], tmp_path: Path
) -> None:
    expected = made(tmp_path / "set", models["waves"], 6, conditions={"text": [TEXTS[0]]})
    found = images(client, "/v1/images/generations", model="waves", prompt=TEXTS[0], seed=3, n=6)
    assert found == expected
    for suffix in (f"images/waves@v1/{TEXTS[0]}/3/4.png", f"items/waves@v1/{TEXTS[0]}/3/4.png"):
        assert client.get(f"/v1/{suffix}").content == expected[4]
    other = images(client, "/v1/images/generations", model="waves", prompt=TEXTS[1], seed=3, n=6)
    assert not set(other) & set(found)


def test_a_walk_leads_from_one_text_to_another(client: httpx.Client) -> None:
    ends = [{"label": text, "seed": 5, "index": at} for at, text in enumerate(TEXTS)]
    body = {"model": "waves", "from": ends[0], "to": ends[1], "steps": 9}
    frames = images(client, "/v1/latents/walk", **body)
    for frame, at in ((frames[0], 0), (frames[-1], 1)):
        assert client.get(f"/v1/items/waves@v1/{TEXTS[at]}/5/{at}.png").content == frame
    assert len(set(frames)) == 9


def test_a_setting_of_another_family_is_refused(client: httpx.Client) -> None:
    asked = {"model": "waves", "prompt": "hello", "truncation": 0.5}
    message = refusal(client.post("/v1/images/generations", json=asked))
    assert message == "truncation: waves@v1 has no such setting; leave it out"
    message = refusal(client.get("/v1/items/waves@v1/hello/3/4.png?truncation=0.5"))
    assert message.startswith("truncation: ")


def test_several_conditions_are_set_by_a_spec_alone(
    client: httpx.Client, models: dict[str, ModelVersion], tmp_path: Path
) -> None:
    out = tmp_path / "set"
    asked = {"labels": ["light", "dark"], "conditions": {"text": list(TEXTS)}}
    files = made(out, models["duo"], 8, **asked)
    assert len(set(files)) == 8
    rows = pq.read_table(out / "data").sort_by("index").to_pylist()
    assert [(row["label_name"], row["text"]) for row in rows] == [
        ("light", "hello"), ("dark", "grüße")
    ] * 4  # fmt: skip
    assert verify(str(out), decode_items=8)["decoded"] == 8
    assert generate.regenerate(str(out), [3]) == {3: files[3]}
    reason = (
        "model: duo@v1 takes labels, texts, and a request sets one of them only; use aigc "
        "generate, whose spec sets each under conditions"
    )
    body = {"model": "duo", "prompt": "light"}
    assert refusal(client.post("/v1/images/generations", json=body)) == reason
    assert refusal(client.get("/v1/items/duo@v1/light/3/0.png")) == reason
    assert refusal(client.get("/v1/images/duo@v1/light/3/0.png")) == reason
    ends = {"from": {"label": "light", "seed": 1}, "to": {"label": "dark", "seed": 2}}
    walked = client.post("/v1/latents/walk", json={"model": "duo", "steps": 3} | ends)
    assert "duo@v1 has no latent space to walk in" in refusal(walked)
