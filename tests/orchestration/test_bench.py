from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from aigc.store import ModelStore
from tests.models_for_tests import publish_tiny


@pytest.mark.integration
def test_the_bench_prints_what_scripts_read(tmp_path) -> None:
    model = publish_tiny("tiny-bench").ref
    command = [sys.executable, "-m", "aigc", "bench", "generate", model, "--items", "3000"]
    command += ["--rounds", "1", "--no-ray-data", "--json"]
    one_cpu = min(os.sched_getaffinity(0))
    done = subprocess.run(
        ["taskset", "-c", str(one_cpu), *command],
        env=os.environ | {"AIGC_STORE": ModelStore().uri},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    names = ["roofline", "generate", "generate_wall"]
    assert all(found[f"{name}_items_per_s"] > 0 for name in names)
    assert found["workers"] == 1, "as many as there is room for, not as the machine has cores"
    assert found["startup_s"] > 0
    assert found["peak_rss_bytes"] > 50 * 2**20
    assert len(found["rounds"]) == 1
    ratio = found["generate_items_per_s"] / found["roofline_items_per_s"]
    assert found["ratios"]["generate_to_roofline"] == pytest.approx(ratio)
