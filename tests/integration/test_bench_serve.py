"""`aigc bench serve` on real servers, under real load."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import psutil
import pytest

from aigc.store import ModelStore
from tests.models_for_tests import publish_tiny

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed"),
]


@pytest.mark.faults
@pytest.mark.parametrize("servers", [("fastapi",), ("aigc", "fastapi")])
def test_servers_take_turns_and_nothing_of_them_is_left(servers: tuple[str, ...]) -> None:
    model = publish_tiny("tiny-bench-serve").ref
    command = [sys.executable, "-m", "aigc", "bench", "serve", model, "--json", "--no-bulk"]
    command += ["--rounds", "1", "--seconds", "1", "--rate", "50"]
    command += [word for server in servers for word in ("--only", server)]
    store = ModelStore().uri
    done = subprocess.run(
        command,
        env=os.environ | {"AIGC_STORE": store},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for server in servers:
        one, many = found["servers"][server]["one"], found["servers"][server]["many"]
        crowd = found["servers"][server]["open"]
        assert one["failed"] == many["failed"] == crowd["failed"] == 0
        assert crowd["due_per_s"] == 50
        assert crowd["answered"] == pytest.approx(50, rel=0.6)
        assert 0 < one["p50_ms"] <= one["p95_ms"] <= one["p99_ms"]
        assert many["images_per_s"] == pytest.approx(64 * many["requests_per_s"])
        assert one["cpu_ms_per_request"] > 0.1
        assert one["memory_bytes"] > 50 * 2**20
    if "aigc" in servers:
        ours, theirs = (found["servers"][name]["one"] for name in servers)
        ratio = ours["requests_per_s"] / theirs["requests_per_s"]
        assert found["ratios"]["one, requests_per_s, to fastapi"] == pytest.approx(ratio)
    assert not [process for process in psutil.process_iter() if belongs(process, store)]


def belongs(process: psutil.Process, store: str) -> bool:
    try:
        there = process.environ()
    except psutil.Error:
        return False
    return there.get("AIGC_STORE") == store and "AIGC_BENCH_FAMILY" in there
