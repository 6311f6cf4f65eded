"""Sets with a safety gate, blocked labels and prompts, and an audit log."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from aigc.audit import verify as verify_log
from aigc.distributed.generate import append, dry_run, regenerate, run
from aigc.errors import AuditError, BlockedError, SpecError
from aigc.output import commit
from aigc.sets.verify import verify
from aigc.specs import AppendSpec
from tests.classifiers_for_tests import bright, written
from tests.integration.sets import rows, spec
from tests.models_for_tests import LABELS, publish_tiny

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def model() -> str:
    return publish_tiny("tiny-rules").ref


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rules")


@pytest.fixture(scope="module")
def threshold(model: str, folder: Path) -> float:
    """The median of the scores: half of the items are unsafe."""
    gate = bright(folder, policy="flag").model_dump()
    run(spec(model, folder / "all", count=200, gates={"safety": gate}))
    scores = [score for (score,) in rows(folder / "all", "select safety from {}")]
    assert len(scores) == 200
    return float(np.median(scores))


def logged(log: Path) -> list[tuple[str, dict]]:
    assert verify_log(str(log)).problems == []
    lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    return [(line["what"], line["about"]) for line in lines]


def test_unsafe_items_are_replaced_whatever_the_workers(
    model: str, folder: Path, threshold: float
) -> None:
    gates = {"safety": bright(folder, threshold).model_dump()}
    made = []
    for n in (1, 2):
        placement = {"workers": n, "cpus_per_worker": 0.5}
        asked = spec(model, folder / f"by-{n}", count=200, gates=gates, placement=placement)
        made.append(run(asked))
    assert made[0]["content_digest"] == made[1]["content_digest"]
    assert 100 < made[0]["refused"]["unsafe"] < 600
    found = rows(folder / "by-1", "select index, candidate, safety from {} order by index")
    assert len(found) == 200
    assert all(score < threshold for _, _, score in found)
    redrawn = [index for index, candidate, _ in found if candidate != index]
    assert 60 < len(redrawn) < 140
    out = str(folder / "by-1")
    assert regenerate(out, redrawn[:3]).keys() == set(redrawn[:3])
    assert verify(out)["items"] == 200
    kept = commit.read_job(out)
    assert kept.data_digests.safety == kept.model_copy().data_digests.safety
    assert len(kept.data_digests.safety or "") == 64


def test_flagged_items_are_delivered_with_a_column(
    model: str, folder: Path, threshold: float
) -> None:
    gate = bright(folder, threshold, policy="flag").model_dump()
    out = folder / "flagged"
    made = run(spec(model, out, count=200, gates={"safety": gate}))
    assert made["refused"] == {}
    found = rows(out, "select safety, safety_flagged from {}")
    assert [flag for _, flag in found] == [score >= np.float32(threshold) for score, _ in found]
    assert sum(flag for _, flag in found) == 100


def test_duplicates_and_safety_together(model: str, folder: Path, threshold: float) -> None:
    gates = {"safety": bright(folder, threshold).model_dump(), "duplicates": True}
    out = folder / "rounds"
    run(spec(model, out, count=100, gates=gates))
    assert all(score < threshold for (score,) in rows(out, "select safety from {}"))


def test_another_classifier_is_another_job(model: str, tmp_path: Path) -> None:
    gates = {"safety": bright(tmp_path, 0.99).model_dump()}
    asked = spec(model, tmp_path / "out", count=20, gates=gates)
    run(asked)
    written(tmp_path / "bright.onnx", classes=1, shape=["n", 3, 16, 16], logits=False)
    assert run(asked)["items"] == 20
    written(tmp_path / "bright.onnx", shape=[1, 3, 16, 16])
    with pytest.raises(SpecError, match=r"gates\.safety\.classifier\.path: digest .* asked"):
        run(asked)
    with pytest.raises(
        SpecError, match=r"gates\.safety\.classifier\.path = .*bright\.onnx: digest .* now"
    ):
        append(AppendSpec(out=str(tmp_path / "out"), to=30))


def test_blocked_labels_are_left_out_or_refused(model: str, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    rules = {"blocked": {"labels": ["ONE", "nowhere"]}, "audit": {"log": str(log)}}
    notes: list[str] = []
    made = run(spec(model, tmp_path / "all", count=30, **rules), notice=notes.append)
    said = "blocked.labels = nowhere: tiny-rules@v1 has no such label, so this blocks nothing"
    assert said in notes
    assert made["labels"] == {"three": 10, "two": 10, "zero": 10}
    with pytest.raises(BlockedError, match=r"labels = one: blocked by blocked\.labels"):
        run(spec(model, tmp_path / "none", count=30, labels=["two", "one"], **rules))
    assert not (tmp_path / "none").exists()
    missing = {"blocked": {"words_file": str(tmp_path / "nope.txt")}}
    with pytest.raises(SpecError, match=r"blocked\.words_file = .*nope\.txt"):
        run(spec(model, tmp_path / "none", count=30, **missing))
    assert not (tmp_path / "none").exists()
    everything = {"blocked": {"labels": list(LABELS)}}
    with pytest.raises(BlockedError, match="blocks all labels that the model makes"):
        run(spec(model, tmp_path / "none", count=30, **everything))
    found = logged(log)
    assert [what for what, _ in found] == ["set.started", "set.released", "set.refused"]
    assert found[1][1]["content_digest"] == made["content_digest"]
    assert "labels = one" in found[2][1]["reason"]


def test_a_full_disk_of_the_audit_log_leaves_nothing_behind(model: str, tmp_path: Path) -> None:
    with pytest.raises(AuditError, match=r"/dev/full: No space left on device; set\.started"):
        run(spec(model, tmp_path / "out", count=30, audit={"log": "/dev/full"}))
    assert not (tmp_path / "out").exists()


def test_blocked_briefs_are_rejected_with_their_reason(model: str, tmp_path: Path) -> None:
    words, log, briefs = (tmp_path / name for name in ("words.txt", "audit.jsonl", "briefs.csv"))
    words.write_text("# not these\nblood\n", encoding="utf-8")
    briefs.write_text(
        "brief_id,label,prompt\na,zero,\nb,one,\nc,,a one\n"
        "d,two,bloods of two\ne,,two\nf,zero|one,\n"
    )
    rules = {
        "blocked": {"labels": ["one"], "words_file": str(words)},
        "audit": {"log": str(log)},
        "briefs": str(briefs),
        "count": 2,
    }
    asked = spec(model, tmp_path / "out", max_rejects=0.9, **rules)
    dry_run(asked)
    assert not log.exists()
    run(asked)
    refused = [json.loads(line) for line in (tmp_path / "out/rejects.jsonl").open()]
    assert {each["brief_id"]: each["reason"] for each in refused} == {
        "b": "label = 'one': asks for 'one', which is blocked",
        "c": "prompt = 'a one': asks for 'one', which is blocked",
        "d": "prompt: holds 'blood', which is blocked",
        "f": "label = 'zero|one': asks for 'one', which is blocked",
    }
    found = logged(log)
    assert [what for what, _ in found] == ["brief.refused"] * 4 + ["set.started", "set.released"]
    assert [about["brief_id"] for _, about in found[:4]] == ["b", "c", "d", "f"]
    run(asked)
    assert len(logged(log)) == 6
    with pytest.raises(SpecError, match="more than max_rejects"):
        run(spec(model, tmp_path / "strict", **rules))
    assert len(logged(log)) == 10


def test_a_log_that_cannot_be_written_stops_before_the_first_item(
    model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = {"log": str(tmp_path)}
    with pytest.raises(
        AuditError, match=r"Is a directory; set\.started cannot be logged, so it is not done"
    ):
        run(spec(model, tmp_path / "out", count=5, audit=log))
    assert commit.read_records(str(tmp_path / "out")) == {}
    run(spec(model, tmp_path / "out", count=5, audit=log | {"on_failure": "continue"}))
    assert "set.released is not logged" in caplog.text


def test_the_log_on_s3_is_numbered_objects(model: str, tmp_path: Path, s3_uri: str) -> None:
    log = f"{s3_uri}/audit"
    for name in ("a", "b"):
        run(spec(model, tmp_path / name, count=5, audit={"log": log}))
    verdict = verify_log(log)
    assert (verdict.lines, verdict.problems) == (4, [])
