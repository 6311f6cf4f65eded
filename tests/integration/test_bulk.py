"""What bulk generation promises beyond a plain set: briefs, growth, limits, reports."""

from __future__ import annotations

import csv
import json
import socket
import urllib.request
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch

from aigc import storage
from aigc.distributed.generate import append, regenerate, run
from aigc.errors import JobError, PlacementError, SpecError
from aigc.execution import limits, pool
from aigc.modalities.image import decode
from aigc.output import commit
from aigc.sets import read
from aigc.sets.merge import merge
from aigc.sets.verify import verify
from aigc.specs import AppendSpec
from aigc.types import Report
from tests import dying_command
from tests.integration.sets import rows, spec
from tests.models_for_tests import publish_tiny

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def model() -> str:
    return publish_tiny("tiny-promises").ref


def test_five_thousand_briefs_give_what_was_asked(model, tmp_path) -> None:
    asked, table = {}, tmp_path / "briefs.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["order", "campaign", "label", "count", "width", "sku"])
        for number in range(5000):
            bad = number % 100 == 3
            count = 1 + number % 4
            label = "cat" if bad else ("one|two" if number % 7 == 0 else "three")
            name = f"b{number}"
            writer.writerow([name, f"c{number % 3}", label, count, "", f"{number:06d}"])
            if not bad:
                asked[name] = (count, f"{number:06d}")
    out = tmp_path / "set"
    made = run(
        spec(
            model,
            out,
            count=None,
            briefs=str(table),
            columns={"brief_id": "order"},
            partition_by=["campaign"],
            shard_items=4000,
        )
    )
    assert made["items"] == sum(count for count, _ in asked.values())
    found = rows(out, "select brief_id, count(*), any_value(sku) from {} group by 1")
    assert {name: (count, sku) for name, count, sku in found} == asked
    labels = dict(rows(out, "select label_name, count(*) from {} where brief_id = 'b7' group by 1"))
    assert labels == {"one": 2, "two": 2}
    assert {row[0] for row in rows(out, "select distinct campaign from {}")} == {"c0", "c1", "c2"}
    rejects = [json.loads(line) for line in (out / "rejects.jsonl").read_text().splitlines()]
    assert [reject["row"] for reject in rejects] == [4 + 100 * at for at in range(50)]
    assert all("'cat'" in reject["reason"] for reject in rejects)
    assert verify(str(out))["items"] == made["items"]
    indices = list(range(0, made["items"], 401))
    stored = read.items(str(out), commit.read_job(str(out)), commit.read_records(str(out)), indices)
    assert regenerate(str(out), indices) == stored


def test_partitioned_pictures_lie_in_the_folders_of_their_partition(model, tmp_path) -> None:
    table, out = tmp_path / "briefs.csv", tmp_path / "set"
    table.write_text("brief_id,campaign,count\na,spring,5\nb,50% off/é,7\nc,spring,2\n")
    layout = {"partition_by": ["campaign"], "writer": "files"}
    run(spec(model, out, count=None, briefs=str(table), labels=["two"], **layout))
    found = rows(out, "select index, campaign, file from {} order by 1")
    named = {"spring": "spring", "50% off/é": "50%25%20off%2F%C3%A9"}
    for index, campaign, file in found:
        assert file == f"images/campaign-{named[campaign]}/two/000000/{index:012d}.png"
        assert decode((out / file).read_bytes(), 1).shape == (16, 16, 1)
    assert Counter(row[1] for row in found) == {"spring": 7, "50% off/é": 7}
    files = [row[2] for row in found]
    assert sorted(files) == sorted(str(p.relative_to(out)) for p in out.glob("images/**/*.png"))
    assert verify(str(out))["items"] == 14


def test_formats_and_sizes_of_briefs_are_kept(model, tmp_path) -> None:
    lines: list[dict[str, Any]] = [
        {"brief_id": "a", "count": 3, "width": 32, "height": 24, "codec": "jpeg", "quality": 80},
        {"brief_id": "b", "count": 2, "codec": "webp", "quality": 100, "label": "two"},
        {"brief_id": "c", "count": 4, "codec": "raw", "seed": 5, "truncation": 0.5},
    ]
    table = tmp_path / "briefs.jsonl"
    table.write_text("\n".join(map(json.dumps, lines)))
    for writer in ("parquet", "webdataset", "files"):
        lines_in = lines if writer != "files" else lines[:2]
        table.write_text("\n".join(map(json.dumps, lines_in)))
        out = tmp_path / writer
        asked = spec(model, out, count=None, briefs=str(table), writer=writer, colour="rgb")
        made = run(asked)
        assert made["items"] == sum(line["count"] for line in lines_in)
        assert verify(str(out), decode_items=100)["decoded"] == made["items"]
        job, records = commit.read_job(str(out)), commit.read_records(str(out))
        found = read.stored(str(out), job, records, [0, 4])
        assert found[0].values().shape == (24, 32, 3)
        assert found[4].format.codec == "webp"


def test_a_set_grows_and_keeps_what_it_has_even_killed_midway(model, tmp_path) -> None:
    small, whole = tmp_path / "small", tmp_path / "whole"
    run(spec(model, small, count=500))
    before = {path.name: path.read_bytes() for path in (small / "data").iterdir()}
    words = ["append", str(small), "--to", "1200", "--workers", "1"]
    assert dying_command.died(str(small), "_records/*", 6, *words)
    assert commit.read_manifest(str(small)) is None
    assert 6 <= len(commit.read_records(str(small))) < 9
    grown = append(AppendSpec(out=str(small), to=1200, placement={"workers": 2}))
    assert grown["items"] == verify(str(small))["items"] == 1200
    assert all((small / "data" / name).read_bytes() == data for name, data in before.items())
    assert grown["content_digest"] == run(spec(model, whole))["content_digest"]
    assert append(AppendSpec(out=str(small), to=1200))["content_digest"] == grown["content_digest"]
    with pytest.raises(SpecError, match=r"has 1,200 items, 600 requested"):
        append(AppendSpec(out=str(small), to=600))


def test_growing_has_a_budget(model, tmp_path, late) -> None:
    out = str(tmp_path / "set")
    run(spec(model, out, count=500))
    asked = AppendSpec(out=out, to=2400, budget={"max_wall_s": 5}, placement={"workers": 2})
    with pytest.raises(pool.StoppedError, match=r"max_wall_s = 5 is reached; run the same command"):
        append(asked, report=late(820))
    assert commit.read_manifest(out) is None
    assert append(AppendSpec(out=out, to=2400))["items"] == 2400


def test_sets_are_merged_and_stay_checkable(model, tmp_path) -> None:
    for seed in (1, 2):
        run(spec(model, tmp_path / str(seed), count=100 * seed, seed=seed))
    out, parts = str(tmp_path / "all"), [str(tmp_path / "1"), str(tmp_path / "2")]
    made = merge(out, parts)
    assert made["items"] == 300
    assert merge(out, parts) == made
    checked = verify(out)
    assert (checked["items"], checked["content_digest"]) == (300, made["content_digest"])
    with pytest.raises(SpecError, match="the same items"):
        merge(str(tmp_path / "twice"), [parts[0], parts[0]])
    victim = next((tmp_path / "all" / "sets" / "01" / "data").iterdir())
    victim.write_bytes(victim.read_bytes()[:-1])
    with pytest.raises(JobError, match="SHA-256 differs"):
        verify(out)


@pytest.fixture
def late(monkeypatch) -> Callable[[float], Report]:
    """A `Report` for which time stands still until more than so many items are made, and is up
    then."""

    def after(items: float) -> Report:
        made = [0.0]
        monkeypatch.setattr(limits, "monotonic", lambda: 6.0 if max(made) > items else 0.0)
        return lambda done, total, **_: made.append(done)

    return after


def test_a_limit_stops_a_job_cleanly_and_it_goes_on(model, tmp_path, late) -> None:
    out, two_shards = str(tmp_path / "set"), 320
    with pytest.raises(pool.StoppedError, match=r"max_wall_s = 5 is reached; run the same command"):
        run(
            spec(model, out, budget={"max_wall_s": 5}, placement={"workers": 2}),
            report=late(two_shards),
        )
    assert 0 < len(commit.read_records(out)) < 8
    notices: list[str] = []
    made = run(spec(model, out), notice=notices.append)
    assert notices[0].startswith("resuming:")
    assert made["items"] == verify(out)["items"] == 1200


def test_a_limit_below_one_shard_says_what_one_takes(model, tmp_path, late) -> None:
    asked = {"count": 400_000, "shard_items": 200_000, "micro_batch": 1}
    budget = {"max_wall_s": 5, "max_cost": 1, "price_per_node_hour": 2}
    said = r"before a shard was finished.*about [\d,]+ s; raise budget.max_wall_s to \d+ or"
    with pytest.raises(pool.StoppedError, match=said):
        run(spec(model, tmp_path / "set", budget=budget, **asked), report=late(0))


def test_a_taken_port_is_said_before_anything_is_written(model, tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PlacementError, match=f"--metrics-port {port}: .*choose another"):
            run(spec(model, tmp_path / "set"), metrics_port=port)
    assert not (tmp_path / "set").exists()


def test_prometheus_and_the_report_tell_of_the_job(model, tmp_path) -> None:
    pages: list[str] = []
    notices: list[str] = []

    def look(done: float, total: float, **_: object) -> None:
        if done > 600 and not pages:
            url = notices[0].removeprefix("metrics: ")
            pages.append(urllib.request.urlopen(url).read().decode())

    out = tmp_path / "set"
    run(
        spec(model, out, gates={"realism": {"percentile": 30}}, include=["scores", "latents"]),
        report=look,
        notice=notices.append,
        metrics_port=0,
    )
    assert "aigc_job_planned_items 1200.0" in pages[0]
    assert 'aigc_job_refused_candidates{reason="realism"}' in pages[0]
    report = json.loads((out / "report.json").read_text())
    assert report["items"] == 1200
    assert sum(report["scores"]["counts"]) == 1200
    assert sum(report["labels"].values()) == 1200
    assert decode((out / "report.png").read_bytes(), 3).shape[1] == 2000
    latent = rows(out, "select latent from {} where index = 5")[0][0]
    assert len(latent) == 16
    assert torch.tensor(latent).std() > 0.3


def test_an_openai_batch_is_answered(model, tmp_path) -> None:
    lines = [
        {
            "custom_id": "r1",
            "method": "POST",
            "url": "/v1/images/generations",
            "body": {"prompt": "two", "n": 2, "size": "32x32"},
        },
        {
            "custom_id": "r2",
            "method": "POST",
            "url": "/v1/images/generations",
            "body": {"prompt": "a giraffe"},
        },
    ]
    table = tmp_path / "batch.jsonl"
    table.write_text("\n".join(map(json.dumps, lines)))
    out = str(tmp_path / "set")
    run(spec(model, out, count=None, briefs=str(table), max_rejects=1))
    answer = json.loads(storage.read_bytes(storage.join(out, "batch_output.jsonl")))
    assert answer["custom_id"] == "r1"
    assert len(answer["response"]["body"]["data"]) == 2
    error = json.loads(storage.read_bytes(storage.join(out, "batch_errors.jsonl")))
    assert error["custom_id"] == "r2"
    assert "zero, one, two, three" in json.dumps(error)
