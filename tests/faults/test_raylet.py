"""A node of a cluster is lost in the middle of a job; what it was at is made elsewhere."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.faults import jobs
from tests.faults.conftest import MakeJob
from tests.faults.jobs import check, finish, moments

pytestmark = [pytest.mark.faults, pytest.mark.integration, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]


@dataclass
class Cluster:
    """Two nodes of one CPU on this machine."""

    folder: Path
    port: int
    environment: dict[str, str]

    def raylet(self, node: int) -> psutil.Process:
        """Of node 0, the head, or 1."""
        pid = json.loads((self.folder / "cluster.json").read_text())["pids"][node]
        below = psutil.Process(pid).children(recursive=True)
        return next(process for process in below if process.name() == "raylet")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="aigc-f-"))  # Ray's sockets need a short path
    port, dashboard_port = free_port(), free_port()
    environment = {"HOME": str(folder), "RAY_AUTH_MODE": "token", "NO_PROXY": "*"}
    local = [sys.executable, str(ROOT / "cluster" / "local.py"), f"--dir={folder}"]
    start = ["start", "--nodes=2", "--cpus-per-node=1", f"--port={port}", f"--temp-dir={folder}/r"]
    start += [f"--dashboard-port={dashboard_port}", "--object-store-mb=100"]
    whole = os.environ | environment
    subprocess.run([*local, *start], check=True, env=whole, timeout=240)
    try:
        yield Cluster(folder, port, environment | {"RAY_ADDRESS": f"127.0.0.1:{port}"})
    finally:
        subprocess.run([*local, "stop"], check=True, env=whole, timeout=120)
        shutil.rmtree(folder, ignore_errors=True)


CASES = [("node", moment) for moment in moments("raylet")]
CASES += [("driver", moment) for moment in moments("raylet-driver", 1)]


@pytest.mark.parametrize(
    ("lost", "moment"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_is_lost_is_made_elsewhere(
    cluster: Cluster, make_job: MakeJob, digest: str, lost: str, moment: random.Random
) -> None:
    job = make_job(environment=cluster.environment)
    process = job.start()
    job.wait_for(process, moment.randrange(2, jobs.SHARDS // 2))
    if lost == "node":
        cluster.raylet(1).kill()
        assert process.poll() is None, "the job was over before its node was"
        finish(process)
    else:
        process.kill()
        process.communicate(timeout=10)
        finish(job.start())  # this process is not part of the cluster
    check(job, digest)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
