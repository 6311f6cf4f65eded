from __future__ import annotations

import json
from pathlib import Path

from aigc.audit import AuditLog
from tests.commands.conftest import Aigc
from tests.models_for_tests import publish_tiny


def test_verify_prints_the_head_and_finds_changes(aigc: Aigc, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    for number in range(3):
        AuditLog(str(log), who="ann").record("set.released", items=number)
    found = aigc("audit", "verify", log)
    assert (found.code, found.out[:9]) == (0, "3 lines, ")
    head = found.out.split()[-1]
    assert aigc("audit", "verify", log, "--head", head).code == 0
    log.write_bytes(log.read_bytes().replace(b'"items":1', b'"items":9'))
    found = aigc("audit", "verify", log)
    assert found.code == 1
    assert "line 3: does not hold the hash of line 2: that line was edited" in found.out
    found = aigc("audit", "verify", log, "--json")
    assert (found.code, json.loads(found.out)["lines"]) == (1, 3)


def test_wrong_input_is_one_line(aigc: Aigc, tmp_path: Path) -> None:
    found = aigc("audit", "verify", tmp_path / "none")
    assert (found.code, found.err.count("\n")) == (2, 1)
    (tmp_path / "log").write_text("")
    found = aigc("audit", "verify", tmp_path / "log", "--head", "5")
    assert found.code == 2
    assert "--head '5': expected NUMBER:SHA256" in found.err


def test_models_are_logged_when_they_are_published_and_promoted(
    aigc: Aigc, tmp_path: Path, monkeypatch
) -> None:
    log = tmp_path / "audit.jsonl"
    monkeypatch.setenv("AIGC_AUDIT_LOG", str(log))
    publish_tiny("shop")
    publish_tiny("shop", seed=1)
    for words in (["promote", "shop@v1"], ["promote", "shop@v2"], ["rollback", "shop"]):
        found = aigc("models", *words)
        assert found.code == 0, found.err
    lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    assert [line["what"] for line in lines] == [
        "model.published",
        "model.published",
        "model.promoted",
        "model.promoted",
        "model.rolled_back",
    ]
    assert lines[0]["about"]["model"] == "shop@v1"
    assert aigc("audit", "verify", log).code == 0


def test_a_model_is_not_published_without_its_line(aigc: Aigc, tmp_path: Path, monkeypatch) -> None:
    import pytest

    from aigc.errors import AuditError
    from aigc.store import ModelStore

    monkeypatch.setenv("AIGC_AUDIT_LOG", str(tmp_path))
    with pytest.raises(AuditError, match=r"model\.published cannot be logged, so it is not done"):
        publish_tiny("shop")
    assert ModelStore().names() == []
