"""A real `aigc generate` in processes of its own, disturbed, run again, and then checked."""

from __future__ import annotations

import contextlib
import io
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

from aigc import storage
from aigc.cli import app
from aigc.commands.common import exit_code
from aigc.output import commit
from aigc.sets.verify import verify
from aigc.storage import _s3_client
from tests.servers import ACCESS_KEY, SECRET_KEY, S3Server

SHARDS = 40
SHARD_ITEMS = int(os.environ.get("AIGC_FAULT_SHARD_ITEMS", "40"))
"""`make faults` asks for more: the longer a job, the more moments to strike at."""
ITEMS = SHARDS * SHARD_ITEMS
LIMIT_S = 240
MOMENTS = int(os.environ.get("AIGC_FAULT_MOMENTS", "5"))
SEED = int(os.environ.get("AIGC_FAULT_SEED", "0"))


@dataclass
class Job:
    """One content set to be: the same items wherever it goes."""

    model: str
    store: str
    out: str
    temp: Path
    environment: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """Of the command, after `aigc`."""
        words = ["generate", self.model, "--out", self.out, "--count", str(ITEMS), "--seed", "7"]
        words += ["--set", "micro_batch=1", "--set", f"shard_items={SHARD_ITEMS}"]
        return [*words, "--workers", "2", *self.arguments]

    @property
    def own_environment(self) -> dict[str, str]:
        own = {"AIGC_STORE": self.store, "TMPDIR": str(self.temp), "OMP_NUM_THREADS": "1"}
        return own | self.environment

    def start(self) -> subprocess.Popen[str]:
        self.temp.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "aigc", *self.words],
            env=os.environ | self.own_environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    def again(self) -> str:
        """Run the same command in this process, which has imported what it needs, until it is
        done; returns what it said."""
        self.temp.mkdir(parents=True, exist_ok=True)
        said = io.StringIO()
        _s3_client.client.cache_clear()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said):
            for name, value in self.own_environment.items():
                patch.setenv(name, value)
            patch.setattr(tempfile, "tempdir", str(self.temp))
            code = exit_code(app, self.words)
        _s3_client.client.cache_clear()
        assert code == 0, said.getvalue()
        return said.getvalue()

    def records(self) -> int:
        return len(storage.names(storage.join(self.out, "_records")))

    def wait_for(self, process: subprocess.Popen[str], records: int) -> None:
        """Until so many shards are committed, or the job ended."""
        deadline = time.monotonic() + LIMIT_S
        while process.poll() is None and time.monotonic() < deadline:
            if self.records() >= records:
                return
            time.sleep(0.01)

    def wait_for_moment(self, process: subprocess.Popen[str], moment: random.Random) -> None:
        """A moment anywhere in the job's life: one in five before the first commit."""
        share = moment.random()
        if share < 0.2:
            time.sleep(15 * share)
            return
        self.wait_for(process, int((share - 0.2) / 0.8 * SHARDS))
        time.sleep(0.1 * moment.random())


def finish(process: subprocess.Popen[str]) -> str:
    _, said = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, said
    return said


def moments(name: str, count: int | None = None) -> list[random.Random]:
    """Sources of randomness, the same for AIGC_FAULT_SEED; each prints as its own seed."""
    return [random.Random(f"{name} {SEED} {n}") for n in range(count or MOMENTS)]


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Processes that generate: forked from the driver's fork server, so its grandchildren."""
    with contextlib.suppress(psutil.NoSuchProcess):
        driver = psutil.Process(process.pid)
        return [child for child in driver.children(recursive=True) if child.ppid() != driver.pid]
    return []


def kill_driver(process: subprocess.Popen[str]) -> None:
    """kill -9, and its workers notice."""
    left = workers(process)
    process.kill()
    process.communicate(timeout=10)
    _, alive = psutil.wait_procs(left, timeout=10)
    assert not alive, "workers outlive their driver"


def check(job: Job, digest: str) -> None:
    """The set is the undisturbed one: nothing missing, doubled, left over or unreadable."""
    assert verify(job.out)["content_digest"] == digest
    records = commit.read_records(job.out)
    files = {record.file for record in records.values()}
    there = {f"data/{entry.key}" for entry in storage.listing(storage.join(job.out, "data"))}
    assert there == files
    found = []
    for file in [file for file in files if file.endswith(".parquet")]:
        with storage.open_input(storage.join(job.out, file)) as source:
            found.append(pq.read_table(source, columns=["index"])["index"].to_numpy())
    if found:  # a tar's items are counted by `verify` alone
        assert np.array_equal(np.sort(np.concatenate(found)), np.arange(ITEMS))
    assert not leftovers(job), leftovers(job)


def leftovers(job: Job) -> list[str]:
    """Temporaries beside the data, unfinished uploads, files on their way to S3."""
    found = [str(path) for path in job.temp.rglob("*") if path.is_file() and "aigc" in str(path)]
    if not storage.is_s3(job.out):
        return found + [str(path) for path in Path(job.out).rglob(".aigc-tmp-*")]
    bucket, _, prefix = job.out.removeprefix("s3://").partition("/")
    keys: dict[str, Any] = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
    client = boto3.client("s3", region_name="us-east-1", **keys)
    listed = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    uploads = client.list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", [])
    temporaries = [item["Key"] for item in listed if ".aigc-tmp-" in item["Key"]]
    return found + temporaries + [upload["Key"] for upload in uploads]


def outage(server: S3Server, seconds: float, *, killed: bool) -> Callable[[], None]:
    """The server silent for so long, or gone and started again with the same data."""

    def strike() -> None:
        if not killed:
            with server.paused():
                time.sleep(seconds)
            return
        server.kill()
        time.sleep(seconds)
        server.start()

    return strike


def terminate(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    return said
