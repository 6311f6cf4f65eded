"""Merged sets: what a user is told of them."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from aigc import storage
from aigc.commands import generate
from aigc.commands import sets as verbs
from aigc.errors import SpecError
from aigc.output import commit
from aigc.sets import merge as merging
from aigc.sets.merge import merge, merged_sets
from aigc.sets.verify import verify
from aigc.store import ModelStore
from tests.models_for_tests import tiny_config, tiny_tensors
from tests.sets.conftest import SetMaker


@pytest.fixture
def merged(sets: SetMaker, tmp_path: Path) -> Path:
    for seed in (1, 2):
        sets.finished(str(tmp_path / f"seed{seed}"), seed=seed)
    merge(str(tmp_path / "all"), [str(tmp_path / "seed1"), str(tmp_path / "seed2")])
    return tmp_path / "all"


def test_one_progress_over_all_its_sets(merged: Path) -> None:
    heard: list[tuple[float, float]] = []
    verify(str(merged), 0, lambda done, total, **_: heard.append((done, total)))
    assert heard == sorted(heard)
    assert heard[-1] == (200, 200)


def test_items_of_each_set_are_made_again(merged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verbs.verify(str(merged), 0, 2, as_json=True)
    again = json.loads(capsys.readouterr().out)["regenerated"]
    assert again["items"] == 4
    assert [Path(part).name for part in again["indices"]] == ["00", "01"]


@pytest.mark.parametrize("labels", [("three", "two", "one", "zero"), ("hat",), ()])
def test_labels_with_other_numbers_are_told(
    labels: tuple[str, ...], sets: SetMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny_config(labels=labels)
    ModelStore().publish("tiny-other", config, tiny_tensors(config))
    other = SetMaker()
    other.version = ModelStore().resolve("tiny-other")
    other.tensors = ModelStore().load(other.version)
    sets.finished(str(tmp_path / "a"), count=8)
    sets.finished(str(tmp_path / "b"), count=8, seed=8)
    other.finished(str(tmp_path / "c"), count=8)
    for parts, told in ((("a", "b"), False), (("a", "c"), True)):
        out = str(tmp_path / "-".join(parts))
        generate.merge(out, [str(tmp_path / part) for part in parts])
        assert ("number their labels differently" in capsys.readouterr().err) == told


def test_status_counts_its_sets(merged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verbs.status(str(merged))
    assert "2 sets, 200 items" in capsys.readouterr().out


def test_who_wants_one_set_is_told_where(merged: Path) -> None:
    with pytest.raises(SpecError, match=r"a merged set; name one inside, .*/sets/00"):
        commit.read_job(str(merged))


def test_the_size_of_single_files_counts(sets: SetMaker, tmp_path: Path) -> None:
    out = tmp_path / "files"
    sets.finished(str(out), writer="files")
    pictures = sum(file.stat().st_size for file in (out / "images").rglob("*.png"))
    index = sum(file.stat().st_size for file in (out / "data").iterdir())
    assert json.loads((out / "manifest.json").read_bytes())["size_bytes"] == pictures + index


DIES = """
import os, signal, sys
from aigc.sets.merge import merge
def die(done, total):
    if done == 60:
        os.kill(os.getpid(), signal.SIGKILL)
merge(sys.argv[1], sys.argv[2:], die)
"""


def test_killed_midway_it_copies_what_is_missing(sets: SetMaker, tmp_path: Path) -> None:
    out, parts = tmp_path / "all", [str(tmp_path / f"seed{seed}") for seed in (1, 2)]
    for seed, part in enumerate(parts, 1):
        sets.finished(part, seed=seed, shard_items=16, writer="files")
    killed = subprocess.run([sys.executable, "-c", DIES, str(out), *parts], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (out / "manifest.json").exists()
    kept = {p: p.stat().st_ino for p in out.glob("sets/*/images/**/*.png")}
    kept |= {p: p.stat().st_ino for p in out.glob("sets/*/data/*.parquet")}
    assert kept
    asked: list[float] = []

    def noted(done: float, total: float, **metrics: Any) -> None:
        asked.append(total)

    merge(str(out), parts, noted)
    assert asked[0] + len(kept) == sum(file.is_file() for part in parts for file in files(part))
    assert kept == {p: p.stat().st_ino for p in kept}
    assert verify(str(out))["items"] == 200


def files(folder: str) -> list[Path]:
    return list(Path(folder).rglob("*"))


def test_a_hundred_sets_keep_their_order(sets: SetMaker, tmp_path: Path) -> None:
    parts = [str(tmp_path / f"seed{seed}") for seed in range(102)]
    job = sets.finished(parts[0], seed=0, count=1)
    for seed, part in enumerate(parts[1:], 1):
        shutil.copytree(parts[0], part)
        storage.write_bytes(commit.job_uri(part), job.model_copy(update={"seed": seed}).to_json())
    made = merge(str(tmp_path / "all"), parts)
    assert [part["source"] for part in made["sets"]] == parts
    seeds = [commit.read_job(part).seed for part in merged_sets(str(tmp_path / "all"))]
    assert seeds == list(range(102))
    assert merge(str(tmp_path / "all"), parts) == made
    (tmp_path / "all" / "manifest.json").unlink()
    assert merge(str(tmp_path / "all"), parts)["content_digest"] == made["content_digest"]


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (None, None, True),
        (("one",), ("two",), False),
        (("one",), ("one", "two"), True),
        (("one", "two"), ("two", "one"), False),
        (("one", "two", "three"), ("three", "one", "two"), False),
        (("one", "two"), ("two", "one", "three"), True),
    ],
)
def test_only_sets_with_the_same_items_are_refused(
    sets: SetMaker, tmp_path: Path, one, other, shared: bool
) -> None:
    parts = [str(tmp_path / name) for name in ("one", "other")]
    for part, labels in zip(parts, (one, other), strict=True):
        sets.finished(part, labels=labels, count=30)
    ids = [pq.read_table(f"{part}/data")["id"].to_pylist() for part in parts]
    assert bool(set(ids[0]) & set(ids[1])) is shared
    if shared:
        with pytest.raises(SpecError, match=r"seed and labels as .* so the same items"):
            merge(str(tmp_path / "all"), parts)
    else:
        assert merge(str(tmp_path / "all"), parts)["items"] == 60


@pytest.mark.parametrize("folder", ["data", "images", "sounds"])
def test_files_of_any_modality_are_copied_once(tmp_path: Path, folder: str) -> None:
    for root in (tmp_path / "one", tmp_path / "out" / "sets" / "00"):
        (root / folder).mkdir(parents=True)
        (root / folder / "0.x").write_bytes(b"item")
        (root / "report.json").write_bytes(b"{}")
    stages = merging._missing(str(tmp_path / "out"), [str(tmp_path / "one")])
    assert [Path(there).name for stage in stages for there, _ in stage] == ["report.json"]
