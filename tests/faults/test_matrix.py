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

from aigc import storage
from tests.faults import jobs
from tests.faults.conftest import MakeJob
from tests.faults.jobs import check, finish, kill_driver, moments
from tests.faults.proxy import fault_proxy
from tests.servers import S3Server

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def at_moments(**short: bool):
    """(case, moment) of each case: as many moments as asked in the long form; one in the short form
    for the cases that are True."""
    cases = [
        pytest.param(
            case,
            moment,
            id=f"{case}-{number}",
            marks=[] if short[case] and number == 0 else [pytest.mark.faults],
        )
        for case in short
        for number, moment in enumerate(moments(case))
    ]
    return pytest.mark.parametrize(("case", "moment"), cases)


@at_moments(disk=False, s3=False)
def test_the_driver_is_killed(case: str, moment: random.Random, digest: str, request) -> None:
    make: MakeJob = request.getfixturevalue("on_s3" if case == "s3" else "make_job")
    job = make()
    process = job.start()
    job.wait_for_moment(process, moment)
    kill_driver(process)
    job.again()
    check(job, digest)


@at_moments(files=False, webdataset=False)
def test_the_driver_of_another_writer_is_killed(
    case: str, moment: random.Random, digest: str, request
) -> None:
    make: MakeJob = request.getfixturevalue(moment.choice(["make_job", "on_s3"]))
    job = make(arguments=("--set", f"writer={case}"))
    process = job.start()
    job.wait_for_moment(process, moment)
    kill_driver(process)
    job.again()
    check(job, digest)
    pictures = list(storage.listing(storage.join(job.out, "images")))
    assert len(pictures) == (jobs.ITEMS if case == "files" else 0)


@at_moments(worker=True)
def test_a_worker_is_killed(make_job: MakeJob, digest: str, case, moment: random.Random) -> None:
    job = make_job()
    process = job.start()
    job.wait_for(process, moment.randrange(1, jobs.SHARDS // 2))
    moment.choice(jobs.workers(process)).kill()
    assert "trying again" in finish(process)
    check(job, digest)


@at_moments(sigterm=True)
def test_the_machine_is_taken_back(
    make_job: MakeJob, digest: str, case, moment: random.Random
) -> None:
    job = make_job()
    process = job.start()
    job.wait_for(process, moment.randrange(1, jobs.SHARDS // 2))
    said = jobs.terminate(process)
    assert process.returncode == 143
    assert "run the same command again to continue" in said
    assert "resuming" in job.again()
    check(job, digest)


@at_moments(silent=False, restarted=False)
def test_s3_is_away(
    on_s3: MakeJob, digest: str, s3_server: S3Server, case: str, moment: random.Random, request
) -> None:
    seconds = 20 if request.node.get_closest_marker("faults") else 3
    job = on_s3()
    process = job.start()
    job.wait_for(process, moment.randrange(1, jobs.SHARDS // 2))
    jobs.outage(s3_server, seconds, killed=case == "restarted")()
    finish(process)
    check(job, digest)


@at_moments(spoilt=False, spoilt_and_killed=False)
def test_one_request_in_twenty_is_spoilt(
    on_s3: MakeJob, digest: str, s3_server: S3Server, case: str, moment: random.Random
) -> None:
    """And, with the driver killed on top, on stores with conditional PUT and both kinds without."""
    killed = case == "spoilt_and_killed"
    conditional = moment.choice(["kept", "ignored", "refused"]) if killed else "kept"
    options = {"rate": 0.05, "seed": moment.randrange(2**32), "conditional": conditional}
    with fault_proxy(s3_server.endpoint, **options) as proxy:
        behind = dataclasses.replace(s3_server, endpoint=proxy.endpoint).environment
        job = on_s3(environment=behind | {"AIGC_S3_TIMEOUT_S": "4"})
        if killed:
            process = job.start()
            job.wait_for_moment(process, moment)
            kill_driver(process)
        said = job.again()
        assert ("no conditional PUT" in said) == (conditional != "kept")
        assert killed or proxy.injected.total() >= 5, proxy
    check(job, digest)


@at_moments(full=True)
def test_the_disk_is_full(
    make_job: MakeJob, digest: str, case, moment: random.Random, small_disk: Path
) -> None:
    job = make_job(str(small_disk / "set"))
    filler = small_disk / "filler"
    filler.write_bytes(bytes(moment.randrange(7_600_000, 8_300_000)))
    process = job.start()
    _, said = process.communicate(timeout=jobs.LIMIT_S)
    assert process.returncode == 1, said
    assert (
        said.strip()
        .splitlines()[-1]
        .endswith("the disk is full; free some space, then run the same command again")
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
