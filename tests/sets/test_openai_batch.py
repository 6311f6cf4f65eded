from __future__ import annotations

import base64
import dataclasses
import json
from pathlib import Path

import pytest

from aigc import storage
from aigc.errors import JobError
from aigc.execution.planning import plan_job, write_briefs
from aigc.execution.shard_work import make_item_generator
from aigc.generation.pipeline import MakeShard
from aigc.job.briefs import read as read_briefs
from aigc.output import commit
from aigc.sets import openai_batch, read
from aigc.specs import GenerateSpec
from tests.sets.conftest import SetMaker


def request(custom_id: str, **body: object) -> str:
    line = {"custom_id": custom_id, "method": "POST", "url": "/v1/images/generations"}
    return json.dumps(line | {"body": body}) + "\n"


BATCH = [
    request("first", prompt="one", n=20, seed=3),
    request("links", prompt="two", n=3, response_format="url"),
    request("bad", prompt="a car"),
    request("jpeg", prompt="three", output_format="jpeg", size="32x24"),
    "{\n",
]


@pytest.fixture
def made(sets: SetMaker, tmp_path: Path):
    """A finished job of three shards: (out, job, briefs, rejects)."""
    (tmp_path / "batch.jsonl").write_text("".join(BATCH))
    out = str(tmp_path / "out")
    spec = GenerateSpec(
        model=sets.version.ref,
        out=out,
        briefs=str(tmp_path / "batch.jsonl"),
        max_rejects=2,
        micro_batch=8,
        shard_items=8,
    )
    found = read_briefs(spec, sets.config)
    briefs, rejects = found.briefs, found.rejects
    job = commit.open_job(out, plan_job(spec, sets.version, "cpu", "fp32", briefs))
    write_briefs(out, briefs, rejects)
    maker = make_item_generator(job, sets.config, sets.tensors, briefs)
    for shard in job.plan():
        MakeShard(shard)(maker, out, lambda count: None).close(lambda count: None)
    return out, job, briefs, rejects


def lines(uri: str) -> list[dict]:
    return [json.loads(line) for line in storage.read_bytes(uri).splitlines()]


def test_each_request_has_a_line_of_its_pictures(made) -> None:
    out, job, briefs, rejects = made
    records = commit.read_records(out)
    assert len(records) == 3
    openai_batch.write(out, job, briefs, records, rejects)
    answers = lines(openai_batch.output_uri(out))
    assert [answer["custom_id"] for answer in answers] == ["first", "links", "jpeg"]
    assert len({answer["id"] for answer in answers}) == 3
    for answer in answers:
        assert answer["error"] is None
        assert answer["response"]["status_code"] == 200
    first, links, jpeg = (answer["response"]["body"] for answer in answers)
    stored = read.items(out, job, records, range(24))
    files = [base64.b64decode(picture["b64_json"]) for picture in first["data"]]
    assert files == [stored[index] for index in range(20)]
    assert (jpeg["output_format"], jpeg["size"]) == ("jpeg", "32x24")
    assert [base64.b64decode(picture["b64_json"]) for picture in jpeg["data"]] == [stored[23]]
    place = Path(out, records[2].file).as_uri()
    assert links["data"] == [{"url": f"{place}#item={index}"} for index in (20, 21, 22)]
    before = storage.read_bytes(openai_batch.output_uri(out))
    openai_batch.write(out, job, briefs, records, rejects)
    assert storage.read_bytes(openai_batch.output_uri(out)) == before


def test_refused_requests_are_errors(made) -> None:
    out, job, briefs, rejects = made
    openai_batch.write(out, job, briefs, commit.read_records(out), rejects)
    bad, broken = lines(openai_batch.errors_uri(out))
    assert (bad["custom_id"], broken["custom_id"]) == ("bad", None)
    error = bad["response"]["body"]["error"]
    assert bad["response"]["status_code"] == 400
    assert (error["code"], error["param"]) == ("unknown_label", "prompt")
    assert "zero, one, two, three" in error["message"]
    error = broken["response"]["body"]["error"]
    assert (error["code"], error["param"]) == ("invalid_json", None)
    openai_batch.write(out, job, briefs, commit.read_records(out))
    assert not storage.exists(openai_batch.errors_uri(out))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_missing_shard_leaves_no_file(made, number: int) -> None:
    out, job, briefs, rejects = made
    records = commit.read_records(out)
    del records[number]
    with pytest.raises(JobError, match=rf"item {number * 8} is missing"):
        openai_batch.write(out, job, briefs, records, rejects)
    assert not list(Path(out).glob("*batch*"))
    assert not list(Path(out).glob(".aigc-tmp*"))


def test_links_alone_read_no_pictures(made) -> None:
    out, job, briefs, _ = made
    records = {0: commit.read_records(out)[0]}
    urls = ["url"] * len(briefs.table)
    at = briefs.table.column_names.index("response_format")
    column = briefs.table.schema.field("response_format")
    table = briefs.table.set_column(at, column, [urls]).slice(1, 1)
    alone = dataclasses.replace(briefs, table=table)
    storage.delete(storage.join(out, records[0].file))
    record = dataclasses.replace(records[0], start=0, stop=3)
    openai_batch.write(out, job, alone, {0: record})
    (answer,) = lines(openai_batch.output_uri(out))
    assert [p["url"].partition("#")[2] for p in answer["response"]["body"]["data"]] == [
        "item=0",
        "item=1",
        "item=2",
    ]
