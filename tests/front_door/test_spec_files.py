"""Spec files and --set as people write them: read as meant, or refused in one line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from aigc.errors import AigcError, SpecError
from aigc.orchestration import address
from aigc.specs import GenerateSpec, PrepareSpec, build, dump, load, parse_setting

PLAIN = [  # --set, the value that the spec then has
    ("seed=010", 10),
    ("seed=0010", 10),
    ("seed=09", 9),
    ("seed=0", 0),
    ("seed=0x10", 16),
    ("seed=0b11", 3),
    ("count=1_000", 1000),
    ("count=01_0", 10),
    ("truncation=01.5", 1.5),
    ("truncation=.5", 0.5),
    ("labels=[01, 010, 1:30]", ("01", "010", "1:30")),
    ("labels={a: 010}", {"a": 10.0}),
]
NO_NUMBERS = ["count=1:30", "count=190:20:30", "seed=1:30", "truncation=1:30.5", "seed=0o17"]
WORDS = [  # a line of a spec, what is said of it
    ("labels: {No: 1}", "False: .*YAML reads no, off and false as False: put the word in quotes"),
    ("labels: [bag, yes]", "YAML reads yes, on and true as True: put the word in quotes"),
    ("labels: [bag, 3]", "= 3: .*put it in quotes if it is text"),
    ("labels: [2026-01-02]", "put it in quotes if it is text"),
    ("No: 1", "YAML reads no, off and false as False"),
    ("include: 3", "include = 3: expected a list, as in \\[a, b\\]"),
    ("gates: none", "gates = 'none': expected fields, as in {"),
    ("placement: [1]", "placement = \\[1\\]: expected fields, as in {"),
]
OTHER_TEXT = [  # bytes of a file, what is said of it
    ("model: m".encode("utf-16"), "not UTF-8 text, it looks like UTF-16; save it as UTF-8"),
    (b"\xfe\xff" + "model: é".encode("utf-16-be"), "it looks like UTF-16"),
    ("model: m".encode("utf-16-le"), "zero bytes, as UTF-16 text has; save it as UTF-8"),
    ("model: é".encode("latin-1"), "not UTF-8 text; save it as UTF-8"),
]


def _generate(text: str) -> dict[str, Any]:
    return {"model": "m", "out": "o", "count": 10} | dict([parse_setting(text)])


@pytest.mark.parametrize(("text", "value"), PLAIN)
def test_a_number_is_decimal(text: str, value: object, tmp_path: Path) -> None:
    spec = build(GenerateSpec, _generate(text))
    assert getattr(spec, text.partition("=")[0]) == value
    (tmp_path / "dumped.yaml").write_text(dump(spec))
    assert load(GenerateSpec, str(tmp_path / "dumped.yaml"), {}) == spec
    (tmp_path / "written.yaml").write_text(text.replace("=", ": ", 1))
    others = {"model": "m", "out": "o"} | ({} if text.startswith("count") else {"count": 10})
    assert load(GenerateSpec, str(tmp_path / "written.yaml"), others) == spec


@pytest.mark.parametrize(("text", "side"), [("size=040", 40), ("size=040x032", (40, 32))])
def test_a_size_is_decimal(text: str, side: object) -> None:
    values = {"source": "s", "out": "o"} | dict([parse_setting(text)])
    assert build(PrepareSpec, values).size == side


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_time_of_day_is_no_number(text: str) -> None:
    key, _, value = text.partition("=")
    with pytest.raises(SpecError, match=f"{key} = '{value}': .*valid"):
        build(GenerateSpec, _generate(text))


@pytest.mark.parametrize(("line", "said"), WORDS)
def test_a_wrong_kind_is_said_in_the_words_of_yaml(line: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "y.yaml").write_text(f"model: m\nout: o\ncount: 1\n{line}\n")
    with pytest.raises(SpecError, match=said) as refused:
        load(GenerateSpec, str(tmp_path / "y.yaml"), {})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("data", "said"), OTHER_TEXT)
def test_a_file_in_another_encoding_is_named_so(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "y.yaml").write_bytes(data)
    with pytest.raises(SpecError, match=said):
        load(GenerateSpec, str(tmp_path / "y.yaml"), {})


def test_a_pipe_with_a_name_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "y.yaml")
    (tmp_path / "link.yaml").symlink_to("y.yaml")
    for name in (tmp_path / "y.yaml", tmp_path / "link.yaml", "/dev/zero"):
        with pytest.raises(SpecError, match="not a regular file; `-` reads standard input"):
            load(GenerateSpec, str(name), {})


def test_a_pipe_of_the_shell_is_read() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"model: m\nout: o\ncount: 3\n")
    os.close(writer)
    try:
        assert load(GenerateSpec, f"/dev/fd/{reader}", {}).count == 3
    finally:
        os.close(reader)


@pytest.mark.parametrize("variable", [" auto ", "auto\u00a0", "Auto", "  ", "auto\r"])
def test_blanks_around_auto_do_not_reach_ray(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", variable)
    monkeypatch.setattr("ray._private.services.find_gcs_addresses", set)
    monkeypatch.setattr("ray._private.services.find_bootstrap_address", lambda folder: None)
    with pytest.raises(AigcError, match="no Ray cluster runs on this machine"):
        address.require_cluster("auto")
