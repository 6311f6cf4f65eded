"""Against a real HTTP server, and a stand-in for Debian's two tools first on the path."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from aigc.data.dataset import open_dataset
from aigc.data.fetch import FetchOptions, fashion, fetch
from aigc.distributed.prepare import run
from aigc.errors import DataError, SpecError
from tests.data.pictures import spec
from tests.data.test_idx import packed

APT = """#!/bin/sh
test "$1" = download || exit 9

tar -cf "$2_1_all.deb" -C "{upstream}" .
"""
DPKG = """#!/bin/sh
mkdir -p "$3/usr/share/datasets/fashion-mnist"
tar -xf "$2" -C "$3/usr/share/datasets/fashion-mnist"
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder served as the upstream site, with a small set in the place of the large one."""
    folder = tmp_path / "upstream"
    folder.mkdir()
    sums = {}
    for name in fashion.SHA256:
        values = np.arange(20 * 64).reshape(20, 8, 8) if "images" in name else np.arange(20) % 10
        data = packed(values % 251)
        (folder / f"{name}.gz").write_bytes(gzip.compress(data))
        sums[name] = hashlib.sha256(data).hexdigest()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(fashion, "SHA256", sums)
    monkeypatch.setattr(fashion, "URL", f"http://127.0.0.1:{server.server_port}/")
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tools(tmp_path: Path, upstream: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("apt-get", APT.format(upstream=upstream)), ("dpkg-deb", DPKG)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def test_it_comes_from_upstream_and_only_once(upstream: Path, tmp_path: Path) -> None:
    said: list[str] = []
    assert fetch("fashion-mnist", str(tmp_path / "raw"), said.append)
    assert not fetch("fashion-mnist", str(tmp_path / "raw"), said.append)
    assert said == []
    made = run(spec(tmp_path / "raw", tmp_path / "out", size=8, channels=1, duplicates="keep"))
    assert made["labels"][0] == "T-shirt/top"
    assert open_dataset(made["uri"]).licence == "MIT"


def test_a_damaged_file_is_fetched_again(upstream: Path, tmp_path: Path) -> None:
    fetch("fashion-mnist", str(tmp_path / "raw"))
    path = tmp_path / "raw/t10k-labels-idx1-ubyte.gz"
    right = path.read_bytes()
    path.write_bytes(right[:-3])
    assert fetch("fashion-mnist", str(tmp_path / "raw"))
    assert path.read_bytes() == right


@pytest.mark.parametrize("state", ["unreachable", "wrong"])
def test_else_it_comes_from_debian(
    upstream: Path, tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    if state == "unreachable":
        monkeypatch.setattr(fashion, "URL", "http://127.0.0.1:9/")
    else:
        monkeypatch.setattr(fashion, "URL", f"{fashion.URL}nowhere/")
    said: list[str] = []
    assert fetch("fashion-mnist", str(tmp_path / "raw"), said.append)
    assert len(said) == 1
    assert "trying Debian's package dataset-fashion-mnist" in said[0]
    assert not fetch("fashion-mnist", str(tmp_path / "raw"), said.append)


def test_wrong_bytes_are_never_taken(upstream: Path, tools: Path, tmp_path: Path) -> None:
    (upstream / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"other"))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte is not the published file"):
        fetch("fashion-mnist", str(tmp_path / "raw"))
    assert not (tmp_path / "raw/train-images-idx3-ubyte.gz").exists()


def test_without_any_source_it_says_so(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion, "URL", "http://127.0.0.1:9/")
    (tools / "apt-get").write_text("#!/bin/sh\necho 'E: Unable to locate package' >&2\nexit 100\n")
    with pytest.raises(DataError, match=r"apt-get download .*Unable to locate package"):
        fetch("fashion-mnist", str(tmp_path / "raw"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="apt-get is not installed"):
        fetch("fashion-mnist", str(tmp_path / "raw"))


@pytest.mark.parametrize(
    "options", [FetchOptions(background="red"), FetchOptions(turntable=4)], ids=str
)
def test_an_option_of_another_set_is_named(tmp_path: Path, options: FetchOptions) -> None:
    with pytest.raises(SpecError, match="fashion-mnist does not take it; leave it out"):
        fetch("fashion-mnist", str(tmp_path / "raw"), options=options)
    assert not (tmp_path / "raw").exists()
