"""Sets that were begun before the code changed: finished ones are read, verified, shown and made
again; unfinished ones go on, or are refused in one line."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from aigc.cli import app
from aigc.commands.common import exit_code
from aigc.errors import AigcError
from aigc.provenance.earlier import EarlierMarker
from aigc.provenance.statement import ItemFacts
from tests.golden import make
from tests.golden.cases import Case
from tests.golden.make import Golden
from tests.golden.old_sets import FINISHED, FOLDER, UNFINISHED

MOST_BYTES = 150_000


@pytest.fixture(params=FINISHED)
def finished(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    shutil.copytree(FOLDER / "finished" / request.param, tmp_path / request.param)
    return tmp_path / str(request.param)


def run(*arguments: object) -> int:
    return exit_code(app, [str(argument) for argument in arguments])


def model_of(golden: Golden, out: Path) -> Path:
    name = FINISHED[out.name].model
    return golden.root / "store" / "models" / name / "v1"


def unmarked(case: Case) -> Case:
    none = {"provenance": {"profile": "none", "reason": "to be marked as 0.1.0 did"}}
    return dataclasses.replace(case, options=case.options | none)


def as_marked_then(out: Path) -> list[bytes]:
    """The files of a set that states nothing, with the label of 0.1.0."""
    mark = EarlierMarker(True).picture
    return [mark(file, ItemFacts("")) for file in make.files_of(out)]


def test_a_finished_set_is_verified(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify", finished, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    manifest = json.loads((finished / "manifest.json").read_bytes())
    assert found["content_digest"] == manifest["content_digest"]
    assert found["decoded"] == found["items"] == manifest["items"]
    assert run("status", finished, "--json") == 0
    assert json.loads(capsys.readouterr().out)["complete"] is True


def test_a_finished_set_is_shown(finished: Path, tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    assert run("view", finished, "--to", shown) == 0
    assert (shown / "preview.png").read_bytes().startswith(b"\x89PNG")
    page = (shown / "gallery.html").read_text(encoding="utf-8")
    assert page.count("<img") >= json.loads((finished / "manifest.json").read_bytes())["items"]


def test_a_finished_set_is_made_again(golden: Golden, finished: Path) -> None:
    """With the model where it is now. Its items are those that the same spec gives today, with the
    label of 0.1.0."""
    items = range(json.loads((finished / "manifest.json").read_bytes())["items"])
    again = make.regenerated(finished, items, str(model_of(golden, finished)))
    fresh = golden.root / "fresh" / finished.name
    golden.generate(unmarked(FINISHED[finished.name]), fresh)
    assert list(again.values()) == as_marked_then(fresh)
    before, now = make.pixels_of(finished), make.pixels_of(fresh)
    assert all((one == other).all() for one, other in zip(before, now, strict=True))


def test_the_same_command_finds_a_finished_set_complete(golden: Golden, finished: Path) -> None:
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    golden.generate(FINISHED[finished.name], finished)
    assert {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()} == before


def test_other_tools_read_a_finished_set() -> None:
    table = pq.read_table(FOLDER / "finished" / "parquet" / "data")
    assert table["index"].to_pylist() == list(range(16))
    assert all(image["bytes"].startswith(b"\x89PNG") for image in table["image"].to_pylist())


@pytest.mark.parametrize("name", UNFINISHED)
def test_an_unfinished_set_goes_on_or_is_refused_in_one_line(
    golden: Golden, tmp_path: Path, name: str
) -> None:
    case, _ = UNFINISHED[name]
    begun, fresh = tmp_path / name, golden.root / "fresh" / name
    shutil.copytree(FOLDER / "unfinished" / name, begun)
    left = {path: path.read_bytes() for path in begun.rglob("*") if path.is_file()}
    try:
        golden.generate(case, begun)
    except AigcError as error:
        assert str(begun) in str(error)
        assert "\n" not in str(error)
        assert left == {path: path.read_bytes() for path in begun.rglob("*") if path.is_file()}
        return
    golden.generate(unmarked(case), fresh)
    assert make.pixels_of(begun)[0].shape == make.pixels_of(fresh)[0].shape
    assert make.files_of(begun) == as_marked_then(fresh)
    assert make.verified(begun)["items"] == make.verified(fresh)["items"]
    assert not list(begun.rglob("*0badf00d*")), "what the killed attempt left"


def test_the_sets_are_small() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
