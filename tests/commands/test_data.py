from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command_line import aigc
from tests.data.pictures import folder


def test_fetch_prepare_show(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    raw, out = str(tmp_path / "raw"), str(tmp_path / "out")
    assert aigc(capsys, "data", "fetch", "digits", raw)[0] == 0
    code, printed, _ = aigc(capsys, "data", "fetch", "digits", raw, "--json")
    assert (code, json.loads(printed)["fetched"]) == (0, False)
    flags = ["--size", "8", "--channels", "1", "--set", "near_duplicates=keep"]
    code, printed, _ = aigc(capsys, "data", "prepare", raw, out, *flags, "--json")
    made = json.loads(printed)
    assert code == 0
    assert made["train"] + made["test"] == 1797
    code, printed, _ = aigc(capsys, "data", "show", out)
    assert code == 0
    assert made["digest"] in printed
    assert "CC-BY-4.0" in printed


def test_a_spec_file_gives_what_flags_do_not(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    raw, out = str(tmp_path / "raw"), str(tmp_path / "out")
    aigc(capsys, "data", "fetch", "digits", raw)
    (tmp_path / "spec.yaml").write_text(f"source: {raw}\nout: {out}\nsize: 32\nchannels: 1\n")
    spec = str(tmp_path / "spec.yaml")
    assert aigc(capsys, "data", "prepare", "--spec", spec, "--size", "8")[0] == 0
    assert json.loads(aigc(capsys, "data", "show", out, "--json")[1])["width"] == 8


def test_show_lists_captions_licences_and_creators(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    raw, out = folder(tmp_path / "raw", {"a": 12}), str(tmp_path / "out")
    rows = [f"a/{n:04d}.png,hat no. {n},MIT,maker {n % 7}" for n in range(12)]
    (raw / "metadata.csv").write_text("\n".join(["file_name,text,license,creator", *rows]))
    assert aigc(capsys, "data", "prepare", str(raw), out, "--size", "16x24")[0] == 0
    code, printed, _ = aigc(capsys, "data", "show", out)
    assert code == 0
    assert printed.count("'hat no. ") == 5
    assert "MIT: 12" in printed
    assert "maker 0: 2, maker 1: 2, maker 2: 2, maker 3: 2" in " ".join(printed.split())
    assert "7 in all" in printed
    assert "16 x 24 x 3" not in printed
    assert "24 x 16 RGB" in printed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fetch", "mnist", "raw"], "name = 'mnist': expected one of fashion-mnist, digits"),
        (["prepare", "nowhere"], "field out is missing"),
        (["prepare", "nowhere", "out"], "nowhere': not found"),
        (["prepare", "a", "b", "--channels", "2"], "channels = 2: input should be 1 or 3"),
        (["prepare", "a", "b", "--set", "sise=2"], "unknown field sise"),
        (["prepare", "a", "b", "--size", "64x"], "size = '64x': expected pixels in 8..1024"),
        (["fetch", "digits", "raw", "--turntable", "3"], "turntable = '3': digits does not take"),
        (["fetch", "emoji", "raw", "--background", "x"], "background = 'x': expected an opaque"),
        (["fetch", "emoji", "raw", "--archives", "no"], "archives = 'no': not a folder"),
        (["show", "nowhere"], "no prepared data set here"),
    ],
)
def test_mistakes_are_one_line(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, error = aigc(capsys, "data", *words)
    assert code == 2
    assert said in error
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
