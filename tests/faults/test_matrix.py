"""The fault matrix: whatever is done to a job, the same command ends in the same set.

`make test` strikes once in the main ways, `make faults` in all of them at AIGC_FAULT_MOMENTS (5)
moments each.
"""

from __future__ import annotations

import dataclasses
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import jobs
from tests.faults.conftest import MakeJob
from tests.faults.jobs import check, finish, kill_driver, moments
from tests.faults.proxy import fault_proxy
from tests.servers import S3Server

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def at_moments(name: str, *, short: bool = True):
    """As many moments as asked in the long form; one in the short form, unless it has none."""
    cases = [
        pytest.param(
            moment,
            id=f"{name}-{number}",
            marks=[] if short and number == 0 else [pytest.mark.faults],
        )
        for number, moment in enumerate(moments(name))
    ]
    return pytest.mark.parametrize("moment", cases)


@at_moments("driver", short=False)
def test_the_driver_is_killed(make_job: MakeJob, digest: str, moment: random.Random) -> None:
    job = make_job()
    process = job.start()
    job.wait_for_moment(process, moment)
    kill_driver(process)
    job.again()
    check(job, digest)


@at_moments("driver-s3", short=False)
def test_the_driver_is_killed_on_s3(on_s3: MakeJob, digest: str, moment: random.Random) -> None:
    job = on_s3()
    process = job.start()
    job.wait_for_moment(process, moment)
    kill_driver(process)
    job.again()
    check(job, digest)


@at_moments("worker")
def test_a_worker_is_killed(make_job: MakeJob, digest: str, moment: random.Random) -> None:
    job = make_job()
    process = job.start()
    job.wait_for(process, moment.randrange(1, jobs.SHARDS // 2))
    moment.choice(jobs.workers(process)).kill()
    assert "trying again" in finish(process)
    check(job, digest)


@at_moments("sigterm")
def test_the_machine_is_taken_back(make_job: MakeJob, digest: str, moment: random.Random) -> None:
    job = make_job()
    process = job.start()
    job.wait_for(process, moment.randrange(1, jobs.SHARDS // 2))
    said = jobs.terminate(process)
    assert process.returncode == 143
    assert "the same command again goes on" in said
    assert "resuming" in job.again()
    check(job, digest)


@at_moments("silent")
def test_s3_is_silent(on_s3: MakeJob, digest, s3_server: S3Server, moment, request) -> None:
    strike_s3(on_s3(), digest, s3_server, moment, request, killed=False)


@at_moments("restarted", short=False)
def test_s3_is_restarted(on_s3: MakeJob, digest, s3_server: S3Server, moment, request) -> None:
    strike_s3(on_s3(), digest, s3_server, moment, request, killed=True)


def strike_s3(job: jobs.Job, digest, server: S3Server, moment, request, *, killed: bool) -> None:
    seconds = 20 if request.node.get_closest_marker("faults") else 3
    process = job.start()
    job.wait_for(process, moment.randrange(1, jobs.SHARDS // 2))
    jobs.outage(server, seconds, killed=killed)()
    finish(process)
    check(job, digest)


@at_moments("proxy", short=False)
def test_one_request_in_twenty_is_spoilt(
    on_s3: MakeJob, digest: str, s3_server: S3Server, moment: random.Random
) -> None:
    with fault_proxy(s3_server.endpoint, rate=0.05, seed=moment.randrange(2**32)) as proxy:
        behind = dataclasses.replace(s3_server, endpoint=proxy.endpoint).environment
        job = on_s3(environment=behind | {"AIGC_S3_TIMEOUT_S": "4"})
        job.again()
        assert proxy.injected.total() >= 5, proxy
    check(job, digest)


@at_moments("proxy-driver")
def test_spoilt_requests_and_a_killed_driver(
    on_s3: MakeJob, digest: str, s3_server: S3Server, moment: random.Random, request
) -> None:
    """On stores with conditional PUT and on both kinds without."""
    conditional = moment.choice(["kept", "ignored", "refused"])
    options = {"rate": 0.05, "seed": moment.randrange(2**32), "conditional": conditional}
    with fault_proxy(s3_server.endpoint, **options) as proxy:
        behind = dataclasses.replace(s3_server, endpoint=proxy.endpoint).environment
        job = on_s3(environment=behind | {"AIGC_S3_TIMEOUT_S": "4"})
        process = job.start()
        job.wait_for_moment(process, moment)
        kill_driver(process)
        said = job.again()
        assert ("no conditional PUT" in said) == (conditional != "kept")
    check(job, digest)


@at_moments("full")
def test_the_disk_is_full(
    make_job: MakeJob, digest: str, moment: random.Random, small_disk: Path
) -> None:
    job = make_job(str(small_disk / "set"))
    filler = small_disk / "filler"
    filler.write_bytes(bytes(moment.randrange(7_600_000, 8_300_000)))
    process = job.start()
    _, said = process.communicate(timeout=jobs.LIMIT_S)
    assert process.returncode == 2, said
    assert (
        said.strip()
        .splitlines()[-1]
        .endswith("the disk is full; make room, then run the same command again")
    )
    assert not jobs.leftovers(job)
    filler.unlink()
    job.again()
    check(job, digest)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.getuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
