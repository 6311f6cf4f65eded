"""The servers that are compared, each in its own processes."""

from __future__ import annotations

import http.client
import importlib.util
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aigc.bench.processes import ProcessTree
from aigc.bench.rounds import RIVALS
from aigc.errors import JobError

PATH = "/v1/images/generations"
_START_S = 180.0
_END_S = 30.0
_PNG = "iVBORw0KGgo"
"""Base64 of the first bytes of every PNG file."""


@dataclass(frozen=True)
class Server:
    """A server; `command`: the arguments after `python -m`, with {model} and {port}."""

    command: str
    package: str | None = None
    """The package that must be installed."""

    @property
    def installed(self) -> bool:
        return self.package is None or importlib.util.find_spec(self.package) is not None


SERVERS: dict[str, Server] = {
    "aigc": Server("aigc serve {model} --port {port}"),
    "aigc-ray-proxy": Server("aigc serve {model} --port {port} --set proxy=ray"),
    "litserve": Server(f"{RIVALS}.litserve {{model}} {{port}}", "litserve"),
    "fastapi": Server(f"{RIVALS}.fastapi {{model}} {{port}}", "uvicorn"),
    "ray-serve": Server(f"{RIVALS}.ray_serve {{model}} {{port}}"),
}


@dataclass(frozen=True)
class Running:
    url: str
    family: ProcessTree


@contextmanager
def running(name: str, model: str, body: bytes, fast: bool = False) -> Iterator[Running]:
    """A server that has answered `body`, in the block; none of its processes is left after it.

    `fast`: the alternatives use aigc's inference network.

    Raises:
        JobError: it ended, or gave no picture in time; with the last line it wrote.
    """
    port, family = _free_port(), ProcessTree()
    words = SERVERS[name].command.format(model=model, port=port).split()
    words += ["fast"] if fast and words[0] != "aigc" else []
    environment = family.environment(RAY_SERVE_ENABLE_HA_PROXY="0")
    environment.pop("RAY_ADDRESS", None)
    with tempfile.NamedTemporaryFile(prefix="aigc-bench-", suffix=".log") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *words], stdout=log, stderr=log, env=environment
        )
        try:
            url = f"http://127.0.0.1:{port}{PATH}"
            _await(name, url, body, process, Path(log.name))
            yield Running(url, family)
        finally:
            _end(process, family)


def _await(name: str, url: str, body: bytes, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_S
    while not _answers(url, body):
        if process.poll() is not None or time.monotonic() > until:
            lines = log.read_text(errors="replace").strip().splitlines()
            said = lines[-1] if lines else "it printed nothing"
            raise JobError(f"{name} does not answer: {said[:300]}")
        time.sleep(0.2)


def _answers(url: str, body: bytes) -> bool:
    """Whether the response contains images, so that a fast error does not count."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            rows = json.load(answer)["data"]
    except (OSError, ValueError, KeyError, http.client.HTTPException):
        return False
    wanted = json.loads(body)["n"]
    return len(rows) == wanted and all(row["b64_json"].startswith(_PNG) for row in rows)


def _end(process: subprocess.Popen[bytes], family: ProcessTree) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
    family.kill()
    process.wait(_END_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
