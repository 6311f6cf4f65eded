"""Waits for what answers too slowly or not at all: each has a bound of its own, in all."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import ray

from aigc import storage
from aigc.data.fetch import download
from aigc.data.fetch.download import UnavailableError, read_url
from aigc.errors import PlacementError, StorageError
from aigc.execution.bounds import within
from aigc.storage import _s3, _s3_client
from tests.front_door.test_addresses import _control_store

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: 9999\r\n\r\n"
_PAUSE_S = 0.02


@contextlib.contextmanager
def dripping(at_once: bytes = b"", drop: bytes = b"x") -> Iterator[int]:
    """A server that sends `at_once`, then one byte after the other for ever."""
    ended = threading.Event()

    def answer(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.recv(65536)
            connection.sendall(at_once)
            while not ended.wait(_PAUSE_S):
                connection.sendall(drop)

    def serve(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not ended.is_set():
                threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1]
        ended.set()


@pytest.mark.parametrize("at_once", [b"", b"HTTP/1.1 200 OK\r\nX: ", _HEAD])
def test_a_download_that_drips_is_given_up(at_once: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_TIMEOUT_S", 0.5)
    began = time.monotonic()
    with dripping(at_once) as port, pytest.raises(UnavailableError, match="bytes came in time"):
        list(read_url(f"http://127.0.0.1:{port}/a", 10_000))
    assert time.monotonic() - began < 60, "the server sends for ever"


def test_a_download_that_ends_early_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(_HEAD + b"short")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(UnavailableError, match="cannot be reached"):
            list(read_url(f"http://127.0.0.1:{server.getsockname()[1]}/a", 10_000))


@pytest.fixture
def fresh() -> Iterator[None]:
    _s3_client.client.cache_clear()
    yield
    _s3_client.client.cache_clear()


@pytest.mark.parametrize("at_once", [b"", b"HTTP/1.1 200 OK\r\nX: ", _HEAD])
@pytest.mark.usefixtures("fresh")
def test_a_store_that_drips_is_given_up(at_once: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AIGC_S3_TIMEOUT_S", "0.5")
    monkeypatch.setattr(_s3, "_CONNECT_S", 0.5)
    monkeypatch.setattr(_s3, "_UNREACHED_S", 0.1)
    with dripping(at_once) as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
        began = time.monotonic()
        with pytest.raises(StorageError, match=r"does not answer.*Timeout"):
            list(storage.listing("s3://bucket/key"))
        with pytest.raises(StorageError, match=r"does not answer.*Timeout"):
            storage.read_if_there("s3://bucket/key")
        assert time.monotonic() - began < 60, "the server sends for ever"


def test_a_block_that_ends_in_time_is_left_alone() -> None:
    with within(30, "late"):
        done = True
    assert done
    with pytest.raises(KeyError), within(30, "late"):
        raise KeyError
    with pytest.raises(KeyboardInterrupt), within(30, "late"):
        raise KeyboardInterrupt


def test_a_block_in_python_is_interrupted() -> None:
    began = time.monotonic()
    with pytest.raises(PlacementError, match="late"), within(0.2, "late"):
        while True:
            time.sleep(0.05)
    assert time.monotonic() - began < 60, "the block runs for ever"


_BLOCKED = """
import ctypes
from aigc.execution import bounds
bounds.GRACE_S = 0.2
with bounds.within(0.2, "too late"):
    ctypes.CDLL(None).sleep(60)
"""


def test_a_block_in_c_ends_the_process_with_the_line() -> None:
    assert ctypes.CDLL(None).sleep
    done = subprocess.run(
        [sys.executable, "-c", _BLOCKED], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stderr) == (2, "aigc: too late\n")


_JOIN = """
import sys
from aigc.errors import AigcError
from aigc.distributed import session
session.JOIN_S = 2
try:
    with session.connect(sys.argv[1]):
        pass
except AigcError as error:
    sys.exit(f"aigc: {error}")
"""


def test_a_cluster_that_answers_and_is_dead_is_given_up() -> None:
    with _control_store(lambda context: ray.__version__) as port:
        done = subprocess.run(
            [sys.executable, "-c", _JOIN, f"127.0.0.1:{port}"],
            capture_output=True,
            text=True,
            timeout=55,
            check=False,
        )
    assert "answers, but could not be joined within 2 s; check `ray status`" in done.stderr
    assert "Traceback" not in done.stderr
