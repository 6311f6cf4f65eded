from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aigc import storage
from aigc.errors import SpecError, StorageError
from aigc.service import keys
from aigc.service.errors import KeyRefusedError
from aigc.service.keys import KeyRing
from aigc.storage import _local_update, _s3_update


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
    with pytest.raises(SpecError, match="generate, batch, verify, admin"):
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


def test_a_lock_that_was_left_is_no_obstacle(file: str) -> None:
    Path(f"{file}.lock").write_text("of a process that was killed")
    keys.create(file, ["generate"])
    assert [path.name for path in Path(file).parent.iterdir()] == ["keys.jsonl"]


HOLD = """
import sys, time
from aigc import storage

def change(data):
    print("held", flush=True)
    sys.stdin.readline()
    return (data or b"") + b"\\n"

storage.update(sys.argv[1], change)
"""


def test_a_lock_is_not_taken_from_who_stands_still(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long; when the process is killed it is free at once."""
    keys.create(file, ["generate"])
    command = [sys.executable, "-c", HOLD, file]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        os.utime(f"{file}.lock", (0, 0))
        monkeypatch.setattr(_local_update, "_PATIENCE_S", 0.2)
        with pytest.raises(StorageError, match="another process has held this lock"):
            keys.create(file, ["admin"])
        holder.kill()
        holder.wait()
        _, made = keys.create(file, ["admin"])
    assert [key.scopes for key in keys.read(file)] == [("generate",), made.scopes]


def test_the_file_is_its_owners_alone(file: str) -> None:
    before = os.umask(0o000)
    try:
        _, key = keys.create(file, ["generate"])
    finally:
        os.umask(before)
    assert Path(file).stat().st_mode & 0o777 == 0o600
    Path(file).chmod(0o644)
    assert "chmod 600" in (keys.exposed(file) or "")
    keys.revoke(file, key.id)
    assert Path(file).stat().st_mode & 0o777 == 0o600
    assert keys.exposed(file) is None
    assert keys.exposed(Path(file).read_text()) is None


@pytest.mark.integration
def test_nobody_undoes_what_another_writes_on_s3(s3_uri: str) -> None:
    file = f"{s3_uri}/secret/keys.jsonl"
    assert _s3_update.conditional(file)
    with ThreadPoolExecutor(6) as pool:
        made = [pool.submit(keys.create, file, ["generate"]) for _ in range(6)]
        names = {each.result()[1].id for each in made}
        for each in [pool.submit(keys.revoke, file, name) for name in names]:
            each.result()
    assert {key.id for key in keys.read(file) if key.revoked} == names
    assert [entry.key for entry in storage.listing(s3_uri)] == ["secret/keys.jsonl"]


@pytest.mark.integration
def test_where_s3_cannot_compare_a_lost_update_is_made_again(
    s3_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_s3_update, "conditional", lambda uri: False)
    file, together = f"{s3_uri}/keys.jsonl", threading.Barrier(2)
    monkeypatch.setattr(_s3_update, "_read", meeting(together, _s3_update._read))
    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(keys.create, file, ["generate"]) for _ in range(2)]
        names = {each.result()[1].id for each in made}
    assert {key.id for key in keys.read(file)} == names


def meeting(together: threading.Barrier, read):
    """`read`, whose first two callers have both read before either goes on."""
    first = threading.Semaphore(2)

    def both(uri: str):
        found = read(uri)
        if first.acquire(blocking=False):
            together.wait(20)
        return found

    return both


def test_keys_are_cut_out_of_text(file: str) -> None:
    secret, _ = keys.create(file, ["generate"])
    assert secret not in keys.redact(f"no {secret} here")
    assert keys.redact("plain") == "plain"
