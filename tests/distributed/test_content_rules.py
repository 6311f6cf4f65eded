from __future__ import annotations

import json
from pathlib import Path

import pytest

from aigc.distributed.content_rules import (
    content_rules,
    log_start,
    require_content_rules,
    with_absolute_paths,
)
from aigc.errors import AuditError, SpecError
from aigc.specs import ServeSpec, build
from tests.classifiers_for_tests import bright


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServeSpec:
    monkeypatch.chdir(tmp_path)
    Path("words.txt").write_text("# none of these\nblood\n\n naked man \n", encoding="utf-8")
    gate = bright(Path()).model_dump()
    blocked = {"labels": ["bag"], "words": ["knife"], "words_file": "words.txt"}
    values = {"gates": {"safety": gate, "max_draws": 3}, "blocked": blocked}
    return build(ServeSpec, values | {"audit": {"log": "audit.jsonl"}})


def test_replicas_get_the_words_and_absolute_paths(spec: ServeSpec, tmp_path: Path) -> None:
    rules = content_rules(spec)
    assert rules["blocked"].words == ("knife", "blood", "naked man")
    assert rules["safety"].classifier.path == str(tmp_path / "bright.onnx")
    assert rules["max_draws"] == 3


def test_an_exported_spec_means_the_same_elsewhere(spec: ServeSpec, tmp_path: Path) -> None:
    found = with_absolute_paths(spec).model_dump(mode="json", exclude_defaults=True)
    assert found["blocked"]["words_file"] == str(tmp_path / "words.txt")
    assert found["audit"]["log"] == str(tmp_path / "audit.jsonl")
    assert found["gates"]["safety"]["classifier"]["path"] == str(tmp_path / "bright.onnx")
    assert build(ServeSpec, found) == with_absolute_paths(spec)
    assert with_absolute_paths(ServeSpec()) == ServeSpec()


def test_the_start_is_logged_or_refused(spec: ServeSpec, tmp_path: Path) -> None:
    log_start(spec)
    [line] = map(json.loads, (tmp_path / "audit.jsonl").read_bytes().splitlines())
    assert (line["what"], line["about"]["port"]) == ("endpoint.started", 8000)
    with pytest.raises(AuditError, match=r"endpoint\.started cannot be logged, so it is not done"):
        log_start(build(ServeSpec, {"audit": {"log": str(tmp_path)}}))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "not found"),
        (b"\xff\xfeb\0", "not UTF-8 text"),
        (b"x" * 300, "a line of 300 characters; expected one word"),
    ],
)
def test_a_list_that_cannot_be_read_is_one_line(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "words.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SpecError, match=said) as caught:
        content_rules(build(ServeSpec, {"blocked": {"words_file": str(file)}}))
    assert str(caught.value).startswith(f"blocked.words_file = {file}: ")


def test_a_classifier_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    gate = {"classifier": {"path": str(tmp_path / "none.onnx"), "range": "0..1"}}
    with pytest.raises(SpecError, match=r"gates\.safety\.classifier\.path = .*not found"):
        require_content_rules(build(ServeSpec, {"gates": {"safety": gate}}))
