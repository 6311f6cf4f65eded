"""`aigc doctor` on this machine, whole and with things missing."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest

from aigc.distributed.doctor import examine
from aigc.modalities.audio.delivery import AudioDelivery
from tests.commands.conftest import Aigc


def test_everything_in_place(aigc: Aigc) -> None:
    examined = aigc("doctor", "--json")
    rows = json.loads(examined.out)
    assert examined.code == 0, [row for row in rows if row["state"] == "fail"]
    assert {"python", "torch", "ray", "encoders", "s3", "model store"} <= {
        row["subject"] for row in rows
    }
    (encoders,) = (row["found"] for row in rows if row["subject"] == "encoders")
    assert encoders == "png, jpeg, webp, wav, flac, ogg"


def test_a_codec_that_does_not_work_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> object:
        raise OSError("no encoder")

    monkeypatch.setattr(AudioDelivery, "encode", broken)
    found = next(each for each in examine() if each.subject == "encoders")
    assert (found.state, found.found) == ("fail", "broken: wav, flac, ogg")


def test_an_optional_library_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    found = next(each for each in examine() if each.subject == "encoders")
    assert (found.state, found.found) == ("ok", "png, jpeg, webp")
    assert "pip install 'aigc[audio]'" in found.advice


def test_what_is_missing_fails_and_says_what_to_do(
    aigc: Aigc, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AIGC_STORE", str(tmp_path / "file" / "store"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "no-token"))
    examined = aigc("doctor", "--json")
    rows = {row["subject"]: row for row in json.loads(examined.out)}
    assert examined.code == 1
    assert rows["cluster"]["state"] == rows["model store"]["state"] == "fail"
    assert rows["token"]["state"] == "warn"
    assert "RAY_ADDRESS" in rows["cluster"]["advice"]
    assert "is a file" in rows["model store"]["advice"]
    assert "→" in aigc("doctor").out


def test_a_bucket_without_credentials(aigc: Aigc, monkeypatch: pytest.MonkeyPatch) -> None:
    from aigc.storage import _s3_client

    monkeypatch.setenv("AIGC_STORE", "s3://bucket/store")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    _s3_client.client.cache_clear()
    rows = {row["subject"]: row for row in json.loads(aigc("doctor", "--json").out)}
    _s3_client.client.cache_clear()
    assert rows["s3"]["state"] == "fail"
    assert "AWS_ACCESS_KEY_ID" in rows["s3"]["advice"]
