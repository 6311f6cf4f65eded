"""`aigc report` as users run it: files, exit codes, lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aigc.cli import app
from aigc.commands.common import exit_code
from aigc.sets.merge import merge
from aigc.sets.verify import verify
from tests.sets.conftest import SetMaker


@pytest.fixture(scope="module")
def sets() -> SetMaker:
    return SetMaker()


def run(*arguments: object) -> int:
    return exit_code(app, [str(argument) for argument in arguments])


def test_it_writes_a_page_next_to_the_set(sets: SetMaker, tmp_path: Path, capsys) -> None:
    out = tmp_path / "set"
    sets.finished(str(out))
    assert run("report", out) == 0
    assert capsys.readouterr().out.split() == [str(out / "release.html")]
    assert "100 images by tiny-output@v" in (out / "release.html").read_text()
    assert verify(str(out))["items"] == 100
    assert run("report", out, "--to", tmp_path / "pages", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["files"] == [str(tmp_path / "pages" / "release.html")]
    assert found["labelled"] == {"files": 64, "with_label": 64}
    assert "does not say what it was trained on" in found["memorisation"]["problem"]


def test_each_part_of_a_merged_set_has_its_page(sets: SetMaker, tmp_path: Path, capsys) -> None:
    for seed in (1, 2):
        sets.finished(str(tmp_path / f"{seed}"), seed=seed)
    merge(str(tmp_path / "all"), [str(tmp_path / "1"), str(tmp_path / "2")])
    assert run("report", tmp_path / "all") == 0
    parts = [tmp_path / "all" / "sets" / name / "release.html" for name in ("00", "01")]
    assert capsys.readouterr().out.split() == list(map(str, parts))
    assert all(part.exists() for part in parts)
    assert run("report", tmp_path / "all", "--to", tmp_path / "to", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["files"] for one in found] == [
        [f"{tmp_path}/to/{at}/release.html"] for at in ("00", "01")
    ]


@pytest.mark.parametrize("writer", ["webdataset", "files"])
def test_sets_on_s3(sets: SetMaker, s3_uri: str, writer: str, capsys) -> None:
    from aigc import storage

    out = f"{s3_uri}/set"
    sets.finished(out, writer=writer)
    assert run("report", out) == 0
    assert capsys.readouterr().out.split() == [f"{out}/release.html"]
    assert b"<h1>100 images" in storage.read_bytes(f"{out}/release.html")


def test_what_is_wrong_is_one_line(sets: SetMaker, tmp_path: Path, capsys, monkeypatch) -> None:
    assert run("report", tmp_path / "nothing") == 1 + 1
    assert capsys.readouterr().err.count("\n") == 1
    sets.start(str(tmp_path / "begun"))
    assert run("report", tmp_path / "begun") == 1
    assert "not finished (no manifest.json)" in capsys.readouterr().err
    sets.finished(str(tmp_path / "set"))
    assert run("report", tmp_path / "set", "--data", tmp_path) == 2
    assert "no prepared data set here" in capsys.readouterr().err
    (tmp_path / "file").write_text("x")
    assert run("report", tmp_path / "set", "--to", tmp_path / "file") == 2
    assert "is a file; name a folder" in capsys.readouterr().err
    assert run("report", tmp_path / "set", "--root", tmp_path / "gone.pem") == 2
    assert "gone.pem" in capsys.readouterr().err
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run("report", tmp_path / "set", "--pdf") == 2
    said = capsys.readouterr().err
    assert said.startswith("aigc: pdf: no Chromium on PATH")
    assert said.count("\n") == 1
