from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aigc.errors import SpecError, StorageError
from aigc.service import keys, lock
from aigc.service.errors import KeyRefusedError
from aigc.service.keys import KeyRing


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "keys.jsonl")


def test_a_key_opens_its_scopes_and_no_other(file: str) -> None:
    secret, key = keys.create(file, ["generate"])
    ring = KeyRing(file)
    assert ring.check(secret, "generate") == key
    assert ring.check(secret, None) == key
    with pytest.raises(KeyRefusedError) as caught:
        ring.check(secret, "admin")
    assert caught.value.forbidden


def test_only_the_hash_is_kept(file: str) -> None:
    secret, key = keys.create(file, ["generate", "batch"], images_per_day=5)
    text = Path(file).read_text()
    assert secret not in text
    assert secret.rpartition("-")[2] not in text
    assert json.loads(text)["hash"] == key.hash
    assert len(secret) > 50


@pytest.mark.parametrize("presented", [None, "", "aigc", "aigc-00000000-" + "a" * 43, "é" * 56])
def test_what_is_no_key_is_refused(file: str, presented: str | None) -> None:
    keys.create(file, ["generate"])
    with pytest.raises(KeyRefusedError) as caught:
        KeyRing(file).check(presented, None)
    assert not caught.value.forbidden


def test_the_right_id_with_another_secret_is_refused(file: str) -> None:
    secret, _ = keys.create(file, ["generate"])
    with pytest.raises(KeyRefusedError):
        KeyRing(file).check(secret[:-1] + ("a" if secret[-1] != "a" else "b"), None)


def test_a_revoked_key_stops_when_the_file_is_read_again(file: str) -> None:
    first, key = keys.create(file, ["generate"])
    second, _ = keys.create(file, ["admin"])
    ring = KeyRing(file)
    assert keys.revoke(file, key.id).revoked
    ring.check(first, None)
    ring.refresh()
    with pytest.raises(KeyRefusedError):
        ring.check(first, None)
    ring.check(second, "admin")
    assert [bool(each.revoked) for each in keys.read(file)] == [True, False]


def test_a_damaged_file_is_told_by_line_and_not_shown(file: str) -> None:
    keys.create(file, ["generate"])
    ring = KeyRing(file)
    with Path(file).open("a") as lines:
        lines.write('{"id": "secret stuff"}\n')
    with pytest.raises(SpecError, match="line 2") as caught:
        ring.refresh()
    assert "secret stuff" not in str(caught.value)
    with pytest.raises(StorageError):
        KeyRing(file + "-missing")


def test_the_lines_themselves_will_do(file: str) -> None:
    secret, _ = keys.create(file, ["generate"])
    KeyRing(Path(file).read_text()).check(secret, "generate")


def test_wrong_wishes(file: str) -> None:
    with pytest.raises(SpecError, match="generate, batch, admin"):
        keys.create(file, ["everything"])
    with pytest.raises(SpecError, match="at least 1"):
        keys.create(file, ["generate"], images_per_day=0)
    keys.create(file, ["generate"])
    with pytest.raises(SpecError, match="there is"):
        keys.revoke(file, "nobody")


def test_nobody_undoes_what_another_writes(file: str) -> None:
    for_good = [keys.create(file, ["generate"])[1].id for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        made = [pool.submit(keys.create, file, ["generate"]) for _ in range(8)]
        gone = [pool.submit(keys.revoke, file, name) for name in for_good]
        expected = {each.result()[1].id: False for each in made}
        expected |= {each.result().id: True for each in gone}
    assert {key.id: bool(key.revoked) for key in keys.read(file)} == expected
    assert [path.name for path in Path(file).parent.iterdir()] == ["keys.jsonl"]


def test_a_lock_that_was_left_is_broken(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_ABANDONED_S", 0.2)
    Path(f"{file}.lock").write_text("of a process that was killed")
    keys.create(file, ["generate"])
    Path(f"{file}.lock").write_text("another")
    monkeypatch.setattr(lock, "_ABANDONED_S", 60)
    monkeypatch.setattr(lock, "_PATIENCE_S", 0.2)
    with pytest.raises(StorageError, match="try again"):
        keys.create(file, ["generate"])


def test_keys_are_cut_out_of_text(file: str) -> None:
    secret, _ = keys.create(file, ["generate"])
    assert secret not in keys.redact(f"no {secret} here")
    assert keys.redact("plain") == "plain"
