"""Against a real HTTP server, and a stand-in for apt-get first on the path."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aigc.data.fetch.download import Archive, obtain
from aigc.errors import DataError

DATA = bytes(range(256)) * 40
NOWHERE = "http://127.0.0.1:9/a.tgz"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Served at its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "a.tgz").write_bytes(DATA)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/a.tgz"
    yield Archive("a.tgz", (url,), len(DATA), hashlib.sha256(DATA).hexdigest())
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_it_comes_from_the_first_address_that_gives_it(archive: Archive, scratch: Path) -> None:
    said: list[str] = []
    later = dataclasses.replace(archive, urls=(NOWHERE, *archive.urls))
    assert obtain(later, scratch, said.append).read_bytes() == DATA
    assert any("cannot be reached" in line and "trying the next" in line for line in said)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sha256": "0" * 64}, "not the published file"),
        ({"size_bytes": len(DATA) - 1}, f"more than {len(DATA) - 1:,} bytes"),
        ({"size_bytes": len(DATA) + 1}, "not the published file"),
    ],
)
def test_other_bytes_are_never_taken(
    archive: Archive, scratch: Path, change: dict[str, object], reason: str
) -> None:
    wrong = dataclasses.replace(archive, **change)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=rf"a.tgz cannot be fetched .*{reason}.*--archives"):
        obtain(wrong, scratch, lambda line: None)


def test_a_file_that_is_there_already_is_checked_and_used(
    archive: Archive, scratch: Path, tmp_path: Path
) -> None:
    offline = dataclasses.replace(archive, urls=(NOWHERE,))
    given = tmp_path / "given"
    given.mkdir()
    (given / "renamed.bin").write_bytes(DATA)
    (given / "other.bin").write_bytes(DATA[::-1])
    assert obtain(offline, scratch, lambda line: None, given) == given / "renamed.bin"
    (given / "renamed.bin").unlink()
    (given / "a.tgz").write_bytes(DATA[:-1])
    with pytest.raises(DataError, match=r"a.tgz: not the published file of 10,240 bytes"):
        obtain(offline, scratch, lambda line: None, given)
    with pytest.raises(DataError, match=r"archives = .*nothing': not a folder"):
        obtain(offline, scratch, lambda line: None, tmp_path / "nothing")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("cp {served} $2_1_all.deb", ""),
        ("echo other > $2_1_all.deb", "not the published file"),
        ("echo 'E: Unable to locate package' >&2; exit 100", "Unable to locate package"),
        ("true", "left 0 packages"),
    ],
)
def test_the_last_source_is_debian(
    archive: Archive,
    scratch: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    reason: str,
) -> None:
    tool = tmp_path / "bin/apt-get"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\n" + script.format(served=tmp_path / "served/a.tgz") + "\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    packed = dataclasses.replace(archive, urls=(NOWHERE,), debian="pack")
    if not reason:
        assert obtain(packed, scratch, lambda line: None).read_bytes() == DATA
        return
    with pytest.raises(DataError, match=reason):
        obtain(packed, scratch, lambda line: None)


def test_without_apt_get_it_says_so(
    archive: Archive, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    packed = dataclasses.replace(archive, urls=(NOWHERE,), debian="pack")
    with pytest.raises(DataError, match="apt-get is not installed"):
        obtain(packed, scratch, lambda line: None)
