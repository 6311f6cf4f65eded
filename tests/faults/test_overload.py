"""Twice the requests that `aigc serve` can answer, for a minute: those it takes are answered soon.

A crowd comes from other machines: it has a core of its own here, and the endpoint the others.
Only a service that collapses, or takes more than it can do, exceeds the bounds; `aigc bench serve`
is for figures, and `--log-cli-level=INFO` shows what was measured here.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from aigc.bench.open_loop import OpenLoopMetrics, drive, saturate
from aigc.bench.processes import ProcessTree
from aigc.families.config import ModelConfig
from aigc.families.gan import GanModel
from aigc.store import ModelStore
from tests.models_for_tests import LABELS, tiny_tensors
from tests.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.integration, pytest.mark.timeout(600)]
BODY = json.dumps({"model": "crowd", "prompt": "one"}).encode()
CONNECTIONS, SATURATING = 512, 48
LATEST_MS = 10_000
"""Five times `max_wait_s`. A queue that takes every request is half a minute behind by the end."""
RECOVERY_S = 5
CONFIG = ModelConfig(
    architecture=GanModel(conditional=True), height=28, width=28, channels=1, labels=LABELS
)
"""Random weights; as much work as a trained model of fashion photos."""


@pytest.fixture(scope="module")
def family() -> ProcessTree:
    return ProcessTree()


@pytest.fixture(scope="module")
def cores() -> Iterator[tuple[set[int], set[int]]]:
    """The endpoint's and the crowd's: apart where there are two or more."""
    every = os.sched_getaffinity(0)
    yield every - {max(every)} or every, {max(every)}
    os.sched_setaffinity(0, every)


@pytest.fixture(scope="module")
def url(
    family: ProcessTree, tmp_path_factory: pytest.TempPathFactory, cores: tuple[set[int], set[int]]
) -> Iterator[str]:
    ModelStore().publish("crowd", CONFIG, tiny_tensors(CONFIG))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("overload") / "log"
    command = [sys.executable, "-m", "aigc", "serve", "crowd", "--port", str(port)]
    environment = family.environment(AIGC_STORE=ModelStore().uri)
    endpoint, crowd = cores
    os.sched_setaffinity(0, endpoint)
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    os.sched_setaffinity(0, crowd)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: process.poll() is not None or is_ready(address), explain=log.read_text)
        assert process.poll() is None, log.read_text()
        yield f"{address}/v1/images/generations"
    finally:
        process.send_signal(signal.SIGTERM)  # SIGINT is not heard by what a shell began with &
        process.wait(90)
    assert "Traceback" not in Path(log).read_text()


def is_ready(address: str) -> bool:
    try:
        return bool(urllib.request.urlopen(f"{address}/readyz", timeout=2).status == 200)
    except OSError:
        return False


class Memory(threading.Thread):
    """What the endpoint's processes take, every few seconds until the block's end."""

    def __init__(self, family: ProcessTree) -> None:
        super().__init__(daemon=True)
        self._family, self._done = family, threading.Event()
        self.seen_bytes: list[int] = []

    def __enter__(self) -> Memory:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()

    def run(self) -> None:
        while not self._done.wait(5):
            self.seen_bytes.append(self._family.memory_bytes())


def test_a_crowd_of_twice_the_capacity(url: str, family: ProcessTree) -> None:
    saturate(url, BODY, 5, SATURATING)
    capacity = saturate(url, BODY, 10, SATURATING).goodput_per_s
    calm = drive(url, BODY, 0.8 * capacity, 20, CONNECTIONS)
    with Memory(family) as memory:
        crowd = drive(url, BODY, 2 * capacity, 60, CONNECTIONS)
    half = 0.5 * min(capacity, crowd.goodput_per_s)
    drive(url, BODY, half, RECOVERY_S, CONNECTIONS)
    after = drive(url, BODY, half, 10, CONNECTIONS)
    kept, capacities = kept_of_capacity(url, rounds=10)
    say(capacity, kept, calm, crowd, after, memory.seen_bytes)

    assert set(crowd.by_status) == {200, 503}
    assert crowd.refusals_without_retry_after == 0
    assert statistics.median(kept) >= 0.5
    assert crowd.goodput_per_s >= 0.5 * min(capacity, *capacities)
    assert crowd.p99_ms < LATEST_MS
    assert memory.seen_bytes[-1] < 1.25 * max(memory.seen_bytes[1:4])
    assert max(after.p99_ms_by_second) < LATEST_MS
    assert after.by_status.get(200, 0) > 0.8 * after.sent


def kept_of_capacity(url: str, rounds: int) -> tuple[list[float], list[float]]:
    """What a crowd of twice the capacity is given, of the capacity measured just before and just
    after it, and these: a shared machine's own speed changes by a third within a minute."""
    capacities = [saturate(url, BODY, 4, SATURATING).goodput_per_s]
    kept = []
    for _ in range(rounds):
        crowd = drive(url, BODY, 2 * capacities[-1], 4, CONNECTIONS)
        capacities.append(saturate(url, BODY, 4, SATURATING).goodput_per_s)
        kept.append(crowd.goodput_per_s / statistics.mean(capacities[-2:]))
    return kept, capacities


def say(
    capacity: float,
    kept: list[float],
    calm: OpenLoopMetrics,
    crowd: OpenLoopMetrics,
    after: OpenLoopMetrics,
    memory: list[int],
) -> None:
    log = logging.getLogger(__name__)
    log.info("capacity %.0f/s, kept of it: %s", capacity, [round(share, 2) for share in kept])
    for name, found in (("0.8", calm), ("2.0", crowd), ("0.5", after)):
        log.info("%s x: %s", name, found)
    log.info("memory, MiB: %s", [size >> 20 for size in memory])
