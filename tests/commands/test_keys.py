"""`aigc keys`: what an operator types, and what the endpoint then lets in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aigc.service.keys import KeyRing
from tests.commands.conftest import Aigc


def test_from_creation_to_revocation(aigc: Aigc) -> None:
    made = aigc("keys", "create", "--scope", "generate", "--images-per-day", 5, "--note", "shop")
    secret = made.out.strip()
    assert made.code == 0
    assert "only time" in made.err
    key = KeyRing("keys.jsonl").check(secret, "generate")
    assert (key.images_per_day, key.note) == (5, "shop")
    rows = json.loads(aigc("keys", "list", "--json").out)
    assert [row["id"] for row in rows] == [key.id]
    assert "hash" not in rows[0]
    table = aigc("keys", "list").out
    assert "shop" in table
    assert secret not in table
    assert aigc("keys", "revoke", key.id).code == 0
    assert json.loads(aigc("keys", "list", "--json").out)[0]["revoked"]


def test_json_holds_the_key(aigc: Aigc) -> None:
    made = json.loads(aigc("keys", "create", "--scope", "admin", "--json", "--file", "k").out)
    KeyRing("k").check(made["key"], "admin")
    assert "hash" not in made


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("list",), "keys.jsonl"),
        (("create", "--scope", "all"), "generate, batch, verify, admin"),
        (("create", "--rpm", "0"), "at least 1"),
        (("revoke", "nobody"), "keys.jsonl"),
        (("certify", "--organization", " "), "expected 1 to 64 printable characters"),
        (("certify", "--organization", "a\nb"), "expected 1 to 64 printable characters"),
        (("certify", "--organization", "x" * 65), "expected 1 to 64 printable characters"),
    ],
)
def test_wrong_input_is_one_line(aigc: Aigc, arguments: tuple[str, ...], told: str) -> None:
    wrong = aigc("keys", *arguments)
    assert wrong.code == 2
    assert told in wrong.err
    assert wrong.err.count("\n") == 1
    assert not Path("keys.jsonl").exists()


def test_keys_in_the_environment_are_not_written_to(
    aigc: Aigc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIGC_KEYS", '{"id": "x"}')
    assert "name a file" in aigc("keys", "create").err


def test_a_test_certificate_is_made_once(aigc: Aigc) -> None:
    made = aigc("keys", "certify", "--out", "signing", "--organization", "Acme", "--days", 3)
    assert made.code == 0
    assert "for tests only" in made.err
    assert [line.split("=")[0] for line in made.out.splitlines()] == [
        "export AIGC_SIGNING_CERTIFICATE",
        "export AIGC_SIGNING_KEY",
    ]
    assert Path("signing/key.pem").stat().st_mode & 0o777 == 0o600
    before = Path("signing/key.pem").read_bytes()
    again = aigc("keys", "certify", "--out", "signing")
    assert again.code == 2
    assert "exists; choose another --out" in again.err
    assert Path("signing/key.pem").read_bytes() == before
