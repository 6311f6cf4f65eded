"""The load generator wrk (https://github.com/wg/wrk), a closed loop with low CPU cost."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from aigc.errors import JobError, SpecError
from aigc.types import Json

_GRACE_S = 60.0

_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = io.open(os.getenv("AIGC_BENCH_BODY"), "rb"):read("*a")

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\n{"requests":%d,"took_us":%d,"bytes":%d,"refused":%d,"broken":%d,' ..
    '"p50_us":%d,"p95_us":%d,"p99_us":%d,"max_us":%d}\\n',
    summary.requests, summary.duration, summary.bytes, e.status,
    e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99), latency.max))
end
"""


@dataclass(frozen=True)
class WrkMetrics:
    """Results of the client."""

    requests_per_s: float
    """Answered with 2xx or 3xx."""
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    answered: int
    refused: int
    """Answered with 4xx or 5xx."""
    broken: int
    """Connections that failed, and answers that did not come within `_TIMEOUT_S`."""
    bytes_per_s: float


_TIMEOUT_S = 30


def require() -> str:
    """Path of wrk. Raises SpecError if it is not installed."""
    found = shutil.which("wrk")
    if found is None:
        raise SpecError(
            "wrk: the load generator is not installed; install it, for example by apt install wrk"
        )
    return found


def drive(url: str, body: bytes, connections: int, seconds: float) -> WrkMetrics:
    """Each connection sends `body` by POST, waits for the answer, and sends it again.

    Raises:
        SpecError: wrk is not installed. JobError: nobody answers at `url`.
    """
    program = require()
    whole_s = max(1, math.ceil(seconds))
    with tempfile.TemporaryDirectory(prefix="aigc-wrk-") as folder:
        script, sent = Path(folder) / "post.lua", Path(folder) / "body"
        script.write_text(_SCRIPT)
        sent.write_bytes(body)
        done = subprocess.run(
            [
                program,
                "--threads=1",
                f"--connections={connections}",
                f"--duration={whole_s}s",
                f"--timeout={_TIMEOUT_S}s",
                f"--script={script}",
                url,
            ],
            env={"AIGC_BENCH_BODY": str(sent)},
            capture_output=True,
            text=True,
            timeout=whole_s + _GRACE_S,
            check=False,
        )
    if done.returncode:
        raise JobError(f"wrk {url}: {' '.join((done.stderr or done.stdout).split())[-200:]}")
    return parse(done.stdout)


def parse(output: str) -> WrkMetrics:
    """The line that our script writes after wrk's own. Raises JobError: there is none."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise JobError(f"wrk gave no figures: {' '.join(output.split())[-200:]}")
    found: Json = json.loads(lines[-1])
    took_s = found["took_us"] / 1e6
    good = found["requests"] - found["refused"]
    return WrkMetrics(
        requests_per_s=good / took_s,
        **{f"{name}_ms": found[f"{name}_us"] / 1e3 for name in ("p50", "p95", "p99", "max")},
        answered=found["requests"],
        refused=found["refused"],
        broken=found["broken"],
        bytes_per_s=found["bytes"] / took_s,
    )
