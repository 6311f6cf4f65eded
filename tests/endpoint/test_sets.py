"""Content sets over HTTP: how far they are, their items, and nothing else of the disk."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from aigc.endpoint.settings import EndpointSettings
from aigc.output import commit
from aigc.sets import read
from tests.endpoint.conftest import Endpoint
from tests.sets.conftest import SetMaker
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sets shop (finished, gated) and half (two shards of four), and a file of somebody else."""
    folder, maker = tmp_path_factory.mktemp("sets"), SetMaker()
    maker.finished(str(folder / "shown/shop"), gates={"degenerate": True}, truncation=0.7)
    job = maker.start(str(folder / "shown/half"), writer="files", codec="jpeg")
    maker.shards(str(folder / "shown/half"), job, [0, 2])
    (folder / "shown/empty").mkdir()
    (folder / "secret.png").write_text("secret")
    return folder


@pytest.fixture(scope="module")
def shown(models: Endpoint, folder: Path) -> Iterator[httpx.Client]:
    settings = EndpointSettings(access_log=False, sets=(str(folder / "shown"),))
    with models.running(endpoint=settings) as client:
        yield client


def ids(client: httpx.Client) -> dict[str, dict]:
    found = client.get("/v1/sets").json()["data"]
    return {row["id"].rpartition("-")[0]: row for row in found}


def test_how_far_they_are(shown: httpx.Client) -> None:
    sets = ids(shown)
    assert list(sets) == ["half", "shop"]
    shop, half = sets["shop"], sets["half"]
    assert (shop["state"], shop["items"], shop["count"]) == ("complete", 100, 100)
    assert shop["model"].startswith("tiny-output@v") and shop["labels"]["one"] == 25
    assert (half["state"], half["items"], half["shards"]) == ("running", 64, 2)
    assert half["items_per_s"] > 0 and half["left_s"] >= 0 and half["last_commit_age_s"] >= 0
    assert shown.get(f"/v1/sets/{half['id']}").json()["labels"] == half["labels"]


def test_items_are_what_is_stored(shown: httpx.Client, folder: Path) -> None:
    out = str(folder / "shown/shop")
    stored = read.stored(out, commit.read_job(out), commit.read_records(out), range(100))
    path = f"/v1/sets/{ids(shown)['shop']['id']}/items"
    page = shown.get(path, params={"start": 30, "count": 5, "pictures": True}).json()
    assert [row["index"] for row in page["data"]] == list(range(30, 35)) and page["next"] == 35
    for row in page["data"]:
        file = base64.b64decode(row["b64_json"])
        assert file == stored[row["index"]].file
        alone = shown.get(row["url"])
        assert (alone.content, alone.headers["content-type"]) == (file, "image/png")
        assert (row["truncation"], row["seed"], row["seed_text"]) == (0.7, 7, "7")
    again = shown.get(row["url"], headers={"if-none-match": alone.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_pages_of_one_label(shown: httpx.Client) -> None:
    path = f"/v1/sets/{ids(shown)['shop']['id']}/items"
    found, start = [], 0
    while start is not None:
        page = shown.get(path, params={"label": "two", "start": start, "count": 10}).json()
        assert {row["label"] for row in page["data"]} <= {"two"}
        found += [row["index"] for row in page["data"]]
        start = page["next"]
    assert found == list(range(2, 100, 4))


def test_an_unfinished_set_shows_what_is_there(shown: httpx.Client) -> None:
    path = f"/v1/sets/{ids(shown)['half']['id']}"
    page = shown.get(f"{path}/items", params={"start": 20, "count": 60, "pictures": True}).json()
    assert [row["index"] for row in page["data"]] == [*range(20, 32), *range(64, 96)]
    assert page["next"] is None and page["data"][0]["output_format"] == "jpeg"
    assert Image.open(io.BytesIO(base64.b64decode(page["data"][0]["b64_json"]))).format == "JPEG"
    for index in (32, 100, 10**14):
        assert shown.get(f"{path}/items/{index}").status_code == 404
    assert shown.get(f"{path}/files/report.png").status_code == 404


def test_a_set_grows_before_our_eyes(
    models: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aigc.service.sets._FRESH_S", 0.0)
    maker = SetMaker()
    job = maker.start(str(tmp_path), codec="raw")
    settings = EndpointSettings(access_log=False, sets=(str(tmp_path),))
    with models.running(endpoint=settings) as client:
        (begun,) = client.get("/v1/sets").json()["data"]
        assert (begun["state"], begun["items"], begun["items_per_s"]) == ("unfinished", 0, None)
        maker.shards(str(tmp_path), job, range(job.shards))
        wait_until(lambda: client.get("/v1/sets").json()["data"][0]["items"] == 100)
        (made,) = client.get("/v1/sets").json()["data"]
        assert made["state"] == "running"
        page = client.get(f"/v1/sets/{made['id']}/items?pictures=true&count=1").json()
        picture = Image.open(io.BytesIO(base64.b64decode(page["data"][0]["b64_json"])))
        assert (picture.format, picture.size) == ("PNG", (16, 16)), "raw values are shown as PNG"


def test_files_beside_the_items(shown: httpx.Client, folder: Path) -> None:
    path = f"/v1/sets/{ids(shown)['shop']['id']}/files"
    preview = shown.get(f"{path}/preview.png")
    assert preview.content == (folder / "shown/shop/preview.png").read_bytes()
    assert shown.get(f"{path}/report.json").json()["items"] == 100
    assert shown.get(f"{path}/_job.json").status_code == 404


@pytest.mark.parametrize("way", ["..", "%2e%2e", "../..", "..%2f..", "%2e%2e%2f%2e%2e", "", "%2f"])
def test_nothing_else_is_reached(shown: httpx.Client, folder: Path, way: str) -> None:
    known = ids(shown)["half"]["id"]
    hidden = [(folder / "secret.png").read_bytes(), (folder / "shown/half/_job.json").read_bytes()]
    encoded = str(folder).replace("/", "%2f")
    for tail in ("secret.png", f"{folder}/secret.png", f"{encoded}%2fsecret.png", "_job.json"):
        for path in (
            f"/v1/sets/{way}/{tail}",
            f"/v1/sets/{known}/{way}/{tail}",
            f"/v1/sets/{known}/files/{way}/{tail}",
            f"/v1/sets/{known}/files/{way}%2f{tail}",
            f"/v1/sets/{known}/items/{way}%2f{tail}",
            f"/v1/sets/{encoded}%2fshown%2fhalf/files/{tail}",
        ):
            url = httpx.URL(f"{shown.base_url}").copy_with(raw_path=path.encode())
            answer = shown.send(shown.build_request("GET", url), follow_redirects=True)
            assert answer.status_code == 404, path
            assert answer.content not in hidden


@pytest.mark.parametrize("file", ["../../secret.png", "data/../../../secret.png", "/etc/passwd"])
def test_records_and_indices_that_lie_reach_nothing(
    models: Endpoint, tmp_path: Path, file: str
) -> None:
    SetMaker().finished(str(tmp_path), shard_items=104)
    settings = EndpointSettings(access_log=False, sets=(str(tmp_path),))
    (record,) = (tmp_path / "_records").glob("*.json")
    record.write_text(json.dumps(json.loads(record.read_text()) | {"file": file}))
    with models.running(endpoint=settings) as client:
        (row,) = client.get("/v1/sets").json()["data"]
        refused = client.get(f"/v1/sets/{row['id']}/items")
        assert refused.status_code == 503
        assert "outside the set" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("query", "param"),
    [("start=-1", "start"), ("count=0", "count"), ("count=1000", "count"), ("x=1", "x")],
)
def test_wrong_wishes(shown: httpx.Client, query: str, param: str) -> None:
    answer = shown.get(f"/v1/sets/{ids(shown)['shop']['id']}/items?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_a_label_the_set_has_not(shown: httpx.Client) -> None:
    answer = shown.get(f"/v1/sets/{ids(shown)['shop']['id']}/items?label=boat")
    assert answer.status_code == 400 and "zero, one" in answer.json()["error"]["message"]


def test_a_set_that_cannot_be_read_hides_no_other(models: Endpoint, folder: Path) -> None:
    broken = folder / "shown/broken"
    broken.mkdir()
    (broken / "_job.json").write_text("{}")
    settings = EndpointSettings(access_log=False, sets=(str(folder / "shown"),))
    with models.running(endpoint=settings) as client:
        sets = ids(client)
        assert sets["broken"]["state"] == "unreadable" and "not a job" in sets["broken"]["reason"]
        assert sets["shop"]["state"] == "complete"
        assert len({hashlib.sha256(row["id"].encode()).digest() for row in sets.values()}) == 3
    (broken / "_job.json").unlink()


@pytest.mark.parametrize("writer", ["parquet", "webdataset", "files"])
def test_a_page_of_pictures_is_bounded_in_bytes(
    models: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str
) -> None:
    """Pages that follow give the rest."""
    monkeypatch.setattr("aigc.service.sets._PAGE_BYTES", 10 * 16 * 16)
    SetMaker().finished(str(tmp_path), writer=writer, codec="png")
    settings = EndpointSettings(access_log=False, sets=(str(tmp_path),))
    with models.running(endpoint=settings) as client:
        (row,) = client.get("/v1/sets").json()["data"]
        found, start, most = [], 0, 0
        while start is not None:
            query = {"start": start, "count": 100, "pictures": True}
            page = client.get(f"/v1/sets/{row['id']}/items", params=query).json()
            sizes = [len(base64.b64decode(item["b64_json"])) for item in page["data"]]
            most = max(most, sum(sizes[:-1]))
            found += [item["index"] for item in page["data"]]
            start = page["next"]
    assert found == list(range(100))
    assert most < 10 * 16 * 16


@pytest.mark.parametrize("writer", ["parquet", "webdataset", "files"])
def test_pictures_are_read_only_where_they_are_asked_for(
    models: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str
) -> None:
    SetMaker().finished(str(tmp_path), writer=writer, codec="png")
    asked, group = set[str](), pq.ParquetFile.read_row_group

    def noted(file: pq.ParquetFile, number: int, columns: list[str]) -> pa.Table:
        asked.update(columns)
        return group(file, number, columns=columns)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", noted)
    settings = EndpointSettings(access_log=False, sets=(str(tmp_path),))
    with models.running(endpoint=settings) as client:
        (row,) = client.get("/v1/sets").json()["data"]
        path = f"/v1/sets/{row['id']}/items"
        rows = client.get(path, params={"count": 100, "pictures": True}).json()["data"]
        shown = [{k: v for k, v in item.items() if k != "b64_json"} for item in rows]
        asked.clear()
        for picture in tmp_path.rglob("*.png"):
            if picture.parent != tmp_path:
                picture.unlink()
        page = client.get(path, params={"count": 100}).json()
    assert (page["data"], page["next"]) == (shown, 100)
    assert not asked & {"image", "pixels", "file"}
