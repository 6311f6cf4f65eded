"""The endpoint while models, replicas and its config change, and among hostile clients."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from aigc.store import ModelStore
from tests import hostile
from tests.load import Load
from tests.models_for_tests import publish_tiny, publish_tiny_vae
from tests.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.integration, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
MODELS = ("tiny-endpoint@production", "tiny-vae")
UNDISTURBED, DISTURBED = 12_000, 8_000
SCALING = {
    "min_replicas": 1,
    "max_replicas": 2,
    "target_ongoing_requests": 3,
    "look_back_period_s": 2,
    "upscale_delay_s": 2,
    "downscale_delay_s": 4,
    "drain_s": 10,
}


@dataclass
class Cluster:
    """One node of this machine, begun as the README says, and the endpoint deployed to it."""

    folder: Path
    environment: dict[str, str]
    dashboard: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def deploy(self, *settings: str, **scaling: float) -> None:
        """`aigc serve --export-config`, `serve deploy`; returns when Serve has taken it over."""
        given = [f"scaling.{name}={value}" for name, value in (SCALING | scaling).items()]
        given += ["cpus_per_replica=0.5", "precision=fp32", f"port={self.port}", *settings]
        sets = [word for setting in given for word in ("--set", setting)]
        config = self.run("-m", "aigc", "serve", *MODELS, "--export-config", *sets)
        file = self.folder / "serve.yaml"
        file.write_text(yaml.safe_dump(yaml.safe_load(config) | {"proxy_location": "EveryNode"}))
        self.run(str(BIN / "serve"), "deploy", str(file), "--address", self.dashboard)

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def replicas(self) -> list[psutil.Process]:
        """Those that leave included."""
        [node] = json.loads((self.folder / "cluster.json").read_text())["pids"]
        return [p for p in psutil.Process(node).children(recursive=True) if is_replica(p)]

    def proxies(self) -> list[psutil.Process]:
        ours = [p for p in psutil.process_iter() if f"{self.folder}/proxy" in command(p)]
        return [p for p in ours if p.name() == "haproxy"]

    def open_connections(self) -> int:
        return sum(len(proxy.net_connections()) for proxy in self.proxies())


def command(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def is_replica(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.name().startswith("ray::ServeReplic")
    return False


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    store = ModelStore()
    store.promote("tiny-endpoint", publish_tiny("tiny-endpoint").version)
    publish_tiny_vae("tiny-vae")
    folder = Path(tempfile.mkdtemp(prefix="aigc-e-"))  # Ray's sockets need a short path
    port, dashboard_port, serve_port = free_port(), free_port(), free_port()
    environment = {"HOME": str(folder), "RAY_AUTH_MODE": "token", "NO_PROXY": "*"}
    environment["AIGC_STORE"] = store.uri
    found = Cluster(folder, environment, f"http://127.0.0.1:{dashboard_port}", serve_port)
    lines = found.run("-m", "aigc", "serve", "--export-environment", str(folder / "proxy"))
    local = f"{sys.executable} {ROOT}/cluster/local.py --dir={folder}"
    start = f"start --nodes=1 --cpus-per-node=2 --port={port} --temp-dir={folder}/r"
    start += f" --dashboard-port={dashboard_port} --object-store-mb=100"
    whole = os.environ | environment
    subprocess.run(f"{lines}{local} {start}", shell=True, check=True, env=whole, timeout=240)
    try:
        found.deploy()
        wait_until(lambda: is_ready(found.url))
        yield found
    finally:
        subprocess.run(f"{local} stop", shell=True, check=True, env=whole, timeout=120)
        wait_until(lambda: found.proxies() == [])
        shutil.rmtree(folder, ignore_errors=True)


def test_changes_cost_no_request(cluster: Cluster) -> None:
    """Promotion, 1 to 2 to 1 replicas, another config: nobody repeats anything. Then kill -9 of the
    only replica, twice: openai's own two retries get over it."""
    with Load(cluster.url, "tiny-endpoint", clients=2, pause_s=0.02).running() as steady:
        second = publish_tiny("tiny-endpoint", seed=1).version
        ModelStore().promote("tiny-endpoint", second)
        wait_until(lambda: is_offered(cluster.url, second))
        with Load(cluster.url, "tiny-endpoint", clients=12).running() as crowd:
            wait_until(lambda: len(cluster.replicas()) == 2)
            crowd.until(UNDISTURBED // 2)
        wait_until(lambda: len(cluster.replicas()) == 1)
        before = [p.pid for p in cluster.replicas()]
        with Load(cluster.url, "tiny-endpoint", clients=4).running() as others:
            cluster.deploy("max_queued_images=2048")
            wait_until(lambda: [p.pid for p in cluster.replicas()] not in ([], before))
            others.until(UNDISTURBED // 2)
    for load in (steady, crowd, others):
        assert load.failures == [], load
    with Load(cluster.url, "tiny-endpoint", clients=6, retries=2).running() as patient:
        for _ in range(2):
            patient.until(patient.count + DISTURBED // 2)
            cluster.replicas()[0].kill()
        patient.until(DISTURBED)
        patient.until(patient.count + 100)
    assert patient.failures == [], patient


def test_ten_thousand_who_hold_on_keep_nobody_else_waiting(cluster: Cluster) -> None:
    """Nor do bombs and broken requests; what they took is free afterwards."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(most, 20_000)), most))
    bomb = hostile.bomb()
    wait_until(lambda: len(cluster.replicas()) == 1)
    [replica] = cluster.replicas()
    before = replica.memory_info().rss
    with Load(cluster.url, "tiny-endpoint", clients=2).running() as load:
        with hostile.idle(cluster.url, 10_000) as idle, hostile.slow(cluster.url, 500) as slow:
            for _ in range(5):
                said = hostile.oddities(cluster.url)
                assert said.pop("large body") == 413
                assert set(said.values()) <= {400, None}, said
                hostile.leave_early(cluster.url, 100)
                assert upload(cluster.url, bomb) == 400
            load.until(load.count + 200)
            assert hostile.answered_meanwhile(cluster.url, "tiny-endpoint")
            assert hostile.closed(idle, 60) == len(idle)
            assert hostile.closed(slow, 60) == len(slow)
        load.until(load.count + 200)
    assert load.failures == []
    assert cluster.replicas() == [replica]
    wait_until(lambda: cluster.open_connections() < 200)
    assert replica.memory_info().rss < before + 150 * 2**20


def test_the_last_replica_goes_and_comes_when_asked(cluster: Cluster) -> None:
    cluster.deploy(min_replicas=0)
    wait_until(lambda: cluster.replicas() == [])
    with Load(cluster.url, "tiny-endpoint", clients=4).running() as load:
        load.until(200)
    assert load.failures == []


def upload(url: str, picture: bytes) -> int:
    asked = {"model": "tiny-vae"}
    files = {"image": ("bomb.png", picture, "image/png")}
    answer = httpx.post(f"{url}/v1/images/variations", data=asked, files=files, timeout=30)
    assert answer.json()["error"]["param"] == "image", answer.text
    return answer.status_code


def is_ready(url: str) -> bool:
    with contextlib.suppress(OSError):
        return bool(urllib.request.urlopen(f"{url}/readyz", timeout=5).status == 200)
    return False


def is_offered(url: str, version: str) -> bool:
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        return f'version="{version}"' in answer.read().decode()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
