"""Jobs that sign: killed and run again they end in the set of an undisturbed job that does not."""

from __future__ import annotations

import random

import pytest

from aigc.distributed import generate
from aigc.output import commit
from aigc.provenance.unsigned import unsigned
from aigc.sets import read
from tests.faults import jobs
from tests.faults.conftest import MakeJob
from tests.faults.jobs import check, kill_driver
from tests.faults.test_matrix import at_moments
from tests.provenance.authority import time_stamp_authority
from tests.provenance.signers import environment, root

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


@at_moments(one=False, two=True)
def test_the_driver_is_killed(
    make_job: MakeJob, digest: str, case: str, moment: random.Random
) -> None:
    arguments = ("--set", "provenance.credentials={}", "--workers", str(1 + (case == "two")))
    job = make_job(environment=dict(environment()), arguments=arguments)
    process = job.start()
    job.wait_for_moment(process, moment)
    kill_driver(process)
    said = job.again()
    check(job, digest)
    assert "PRIVATE KEY" not in said
    indices = moment.sample(range(jobs.ITEMS), 20)
    again = generate.regenerate(job.out, indices)
    stored = read.items(job.out, commit.read_job(job.out), commit.read_records(job.out), indices)
    assert all(again[at] == unsigned(stored[at]) != stored[at] for at in indices)


@at_moments(authority=False)
def test_the_authority_is_away(make_job: MakeJob, case: str, moment: random.Random) -> None:
    """The job stops in one line, and the same command goes on."""
    with time_stamp_authority(root()) as authority:
        signed = f"provenance.credentials={{authority: '{authority.url}'}}"
        small = ("--set", signed, "--count", "400", "--set", "shard_items=40")
        job = make_job(environment=dict(environment()), arguments=small)
        process = job.start()
        job.wait_for(process, moment.randrange(1, 6))
        authority.is_up = False
        _, said = process.communicate(timeout=jobs.LIMIT_S)
        assert process.returncode == 2, said
        assert "did not answer 3 times" in said.strip().splitlines()[-1]
        authority.is_up = True
        assert "resuming" in job.again()
    manifest = commit.read_manifest(job.out)
    assert manifest is not None
    assert manifest["items"] == 400
    assert manifest["provenance"]["authority"] == authority.url
