"""Permanent addresses, and the one identity: what bulk generation stored is what comes back."""

from __future__ import annotations

import asyncio
import base64
import random
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest

from aigc.endpoint.app import create_app
from aigc.endpoint.settings import EndpointSettings
from aigc.service.service import Service
from aigc.service.settings import ServiceSettings
from tests.endpoint.conftest import Endpoint, serving
from tests.models_for_tests import publish_tiny
from tests.sets.conftest import SetMaker

ITEM = "/v1/images/tiny@v1/two/7/3.png"


def test_bytes_equal_the_bulk_set_at_any_concurrency(tmp_path: Path) -> None:
    sets = SetMaker()
    sets.finished(str(tmp_path), count=2000, micro_batch=128, shard_items=1024, seed=77)
    table = pq.read_table(tmp_path / "data").select(["image", "candidate", "label_name", "seed"])
    rows = random.Random(1).sample(table.to_pylist(), 200)
    service = Service(ServiceSettings(models=(sets.version.ref,), precision="fp32"))
    app = create_app(service, EndpointSettings(access_log=False))

    async def fetch(url: str) -> list[bytes]:
        places = asyncio.Semaphore(32)
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:

            async def one(number: int, row: dict) -> bytes:
                async with places:
                    label, seed, index = row["label_name"], row["seed"], row["candidate"]
                    if number % 2:
                        path = f"/v1/images/{sets.version.ref}/{label}/{seed}/{index}.png"
                        return (await client.get(path)).content
                    asked = {"labels": [label], "seed": seed, "index": index, "n": 1 + number % 7}
                    made = await client.post("/v1/images/generations", json=asked)
                    return base64.b64decode(made.json()["data"][0]["b64_json"])

            return await asyncio.gather(*(one(*each) for each in enumerate(rows)))

    with serving(app) as url:
        found = asyncio.run(fetch(url))
    assert found == [row["image"]["bytes"] for row in rows]
    assert max(service.batcher.stats.rows) > 1


def test_an_item_is_for_good(client: httpx.Client) -> None:
    first = client.get(ITEM)
    assert first.status_code == 200
    assert first.headers["content-type"] == "image/png"
    assert first.headers["cache-control"] == "public, max-age=31536000, immutable"
    tag = first.headers["etag"]
    assert tag[0] == tag[-1] == '"'
    again = client.get(ITEM, headers={"if-none-match": f'"other", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(ITEM, headers={"if-none-match": '"other"'}).content == first.content


def test_whatever_changes_the_bytes_changes_the_tag(client: httpx.Client) -> None:
    paths = [
        ITEM,
        ITEM.replace("png", "webp"),
        ITEM.replace("png", "jpg"),
        ITEM.replace("png", "jpg") + "?quality=50",
        ITEM + "?truncation=0.5",
        ITEM + "?size=20x20",
        ITEM.replace("/3.", "/4."),
        ITEM.replace("/7/", "/8/"),
        ITEM.replace("two", "one"),
        "/v1/images/plain@v1/_/7/3.png",
    ]
    answers = [client.get(path) for path in paths]
    assert [answer.status_code for answer in answers] == [200] * len(paths)
    assert len({answer.headers["etag"] for answer in answers}) == len(paths)
    assert len({answer.content for answer in answers}) == len(paths)


def test_a_name_is_sent_to_its_version(client: httpx.Client) -> None:
    moved = client.get(ITEM.replace("tiny@v1", "tiny") + "?size=20x20")
    assert moved.status_code == 307
    there = "../../../" + ITEM.removeprefix("/v1/images/") + "?size=20x20"
    assert moved.headers["location"] == there
    assert moved.headers["cache-control"] == "no-store"


def test_only_the_ends_of_a_walk_are_items(client: httpx.Client) -> None:
    ends = [{"label": "one", "seed": 5, "index": 2}, {"label": "two", "seed": 6, "index": 9}]
    asked = {"model": "tiny", "from": ends[0], "to": ends[1], "steps": 4}
    frames = client.post("/v1/latents/walk", json=asked).json()["data"]
    assert [(frame["seed"], frame["index"]) for frame in frames] == [
        *((5, 2), (None, None), (None, None), (6, 9))
    ]
    for frame, end in zip((frames[0], frames[-1]), ends, strict=True):
        found = client.get(f"/v1/images/tiny@v1/{end['label']}/{end['seed']}/{end['index']}.png")
        assert base64.b64decode(frame["b64_json"]) == found.content


@pytest.mark.parametrize("name", ["v1", "images", "one"])
def test_a_model_may_be_named_like_a_part_of_the_address(tmp_path: Path, name: str) -> None:
    models = Endpoint(tmp_path / "store")
    publish_tiny(name, store=models.store, labels=("one", "a/b"))
    with models.running(models=(name,)) as client:
        for label in ("one", "a%2Fb"):
            moved = client.get(f"/v1/images/{name}/{label}/7/3.png")
            there = moved.url.join(moved.headers["location"])
            assert there.raw_path.decode() == f"/v1/images/{name}@v1/{label}/7/3.png"
            assert client.get(there).status_code == 200
        plain = client.get(f"/v1/images/{name}/a/b/7/3.png", follow_redirects=True)
        assert plain.url.path == f"/v1/images/{name}@v1/a/b/7/3.png"
        assert plain.status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "param"),
    [
        ("/v1/images/tiny@v9/two/7/3.png", 404, "model"),
        ("/v1/images/tiny@v1/boat/7/3.png", 400, "label"),
        ("/v1/images/tiny@v1/two/x/3.png", 400, "seed"),
        (f"/v1/images/tiny@v1/two/{2**63}/3.png", 400, "seed"),
        (f"/v1/images/tiny@v1/two/{'9' * 5000}/3.png", 400, "seed"),
        ("/v1/images/tiny@v1/two/7/3.gif", 404, None),
        (ITEM + "?truncation=nan", 400, "truncation"),
        (ITEM + "?size=9999x9999", 400, "size"),
        (ITEM + "?colour=red", 400, "colour"),
    ],
)
def test_wrong_addresses(client: httpx.Client, path: str, status: int, param: str | None) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.json()["error"]["param"] == param


def test_a_head_has_no_body(client: httpx.Client) -> None:
    answer = client.head(ITEM)
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_quality_without_effect_is_refused(client: httpx.Client) -> None:
    address = "/v1/items/tiny@v1/two/7/3"
    for path in (ITEM, f"{address}.png"):
        error = client.get(f"{path}?quality=50").json()["error"]
        assert error["message"].startswith("quality = 50: has no effect on codec png; leave it out")
        assert error["param"] == "quality"
        assert client.get(f"{path}?quality=100").content == client.get(ITEM).content
    assert client.get(f"{address}.webp?quality=50").status_code == 200
    walk = {"from": {"label": "one", "seed": 5}, "to": {"label": "two", "seed": 6}}
    for place, body in (("images/generations", {"prompt": "one"}), ("latents/walk", walk)):
        asked = {"model": "tiny", "output_compression": 50, **body}
        answer = client.post(f"/v1/{place}", json=asked)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "output_compression"
        asked |= {"output_compression": 100}
        assert client.post(f"/v1/{place}", json=asked).status_code == 200
        asked |= {"output_compression": 50, "output_format": "jpeg"}
        assert client.post(f"/v1/{place}", json=asked).status_code == 200
