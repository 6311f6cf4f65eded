"""Sets that were made elsewhere, or harmed: what a user is told of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from aigc.cli import app
from aigc.commands.common import exit_code
from tests.sets.conftest import SetMaker


@pytest.fixture(scope="module")
def sets() -> SetMaker:
    return SetMaker()


@pytest.fixture
def finished(sets: SetMaker, tmp_path: Path) -> Path:
    sets.finished(str(tmp_path / "set"))
    return tmp_path / "set"


def say_made_on(folder: Path, device: str, precision: str) -> None:
    job = json.loads((folder / "_job.json").read_text())
    (folder / "_job.json").write_text(json.dumps(job | {"device": device, "precision": precision}))


def run(*arguments: object) -> int:
    return exit_code(app, [str(argument) for argument in arguments])


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_what_a_gpu_made_is_made_again_without_one(finished: Path, capsys) -> None:
    say_made_on(finished, "cuda", "fp32")
    assert run("verify", finished, "--regenerate", 10) == 0
    shown = capsys.readouterr()
    assert "generated on cuda, regenerated on cpu: bytes may differ by rounding" in shown.err
    assert "ok: 10 items made again, byte for byte equal" in shown.out
    say_made_on(finished, "cuda", "bf16")
    assert run("verify", finished, "--regenerate", 10) == 0
    shown = capsys.readouterr().out
    assert "ok: 0 items made again" in shown
    assert shown.count("made again it differs in ") == 10
    assert "the set was made on cuda in bf16" in shown
    assert run("regenerate", finished, "--item", 5, "--to", finished / "again", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert not found["equal"]
    assert found["differing"]["5"].startswith("made again it differs in ")
    assert (finished / "again" / "000000000005.png").read_bytes().startswith(b"\x89PNG")


def test_what_differs_on_the_same_device_is_an_error(finished: Path, capsys) -> None:
    say_made_on(finished, "cpu", "bf16")
    assert run("verify", finished, "--regenerate", 10) == 1
    assert "made again it differs in " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["manifest.json", "_job.json", "_records/00002.json"])
@pytest.mark.parametrize("content", [b"", b'{"items": 1', b"\0" * 64, b"[]"])
@pytest.mark.parametrize("verb", ["status", "verify"])
def test_a_damaged_file_is_one_line_that_says_what_to_do(
    finished: Path, capsys, name: str, content: bytes, verb: str
) -> None:
    (finished / name).write_bytes(content)
    assert run(verb, finished) in (1, 2)
    said = capsys.readouterr().err.strip()
    assert said.startswith(f"aigc: {finished / name}: ")
    assert "damaged; " in said
    assert "\n" not in said


def test_a_damaged_record_can_be_made_again_as_said(finished: Path, sets: SetMaker, capsys) -> None:
    (finished / "_records" / "00002.json").write_bytes(b"{")
    assert run("status", finished) == 2
    for name in ("_records/00002.json", "manifest.json"):
        (finished / name).unlink()
    sets.finished(str(finished), [2])
    assert run("verify", finished) == 0


def test_what_a_file_manager_leaves_is_no_record(finished: Path, capsys) -> None:
    (finished / "_records" / ".DS_Store").write_bytes(b"x")
    assert run("status", finished) == 0
    assert run("verify", finished) == 0
