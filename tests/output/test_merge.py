"""Merged sets: what a user is told of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aigc.commands import sets as verbs
from aigc.errors import SpecError
from aigc.output import commit
from aigc.output.merge import merge
from aigc.output.verify import verify
from tests.output.conftest import SetMaker


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


def test_status_counts_its_sets(merged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verbs.status(str(merged))
    assert "2 sets, 200 images" in capsys.readouterr().out


def test_who_wants_one_set_is_told_where(merged: Path) -> None:
    with pytest.raises(SpecError, match=r"a merged set; name one inside, .*/sets/00"):
        commit.read_job(str(merged))


def test_the_size_of_single_files_counts(sets: SetMaker, tmp_path: Path) -> None:
    out = tmp_path / "files"
    sets.finished(str(out), writer="files")
    pictures = sum(file.stat().st_size for file in (out / "images").rglob("*.png"))
    index = sum(file.stat().st_size for file in (out / "data").iterdir())
    assert json.loads((out / "manifest.json").read_bytes())["size_bytes"] == pictures + index
