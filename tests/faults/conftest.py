from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from aigc.output import commit
from aigc.store import ModelStore
from tests.faults.jobs import Job
from tests.models_for_tests import publish_tiny
from tests.servers import S3Server

MakeJob = Callable[..., Job]


@pytest.fixture(scope="session")
def model() -> str:
    return publish_tiny("tiny-faults").ref


@pytest.fixture(scope="session")
def digest(model: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Content digest of the job when nothing disturbs it."""
    folder: Path = tmp_path_factory.mktemp("undisturbed")
    job = Job(model, ModelStore().uri, str(folder / "set"), folder / "temp")
    job.again()
    manifest = commit.read_manifest(job.out)
    assert manifest is not None
    found: str = manifest["content_digest"]
    return found


@pytest.fixture
def make_job(model: str, tmp_path: Path) -> MakeJob:
    """Jobs at `out`, by default fresh folders of this disk."""

    def make(out: str | None = None, **options) -> Job:
        name = uuid.uuid4().hex[:8]
        where = out or str(tmp_path / name / "set")
        return Job(model, ModelStore().uri, where, tmp_path / name / "temp", **options)

    return make


@pytest.fixture
def on_s3(make_job: MakeJob, s3_server: S3Server, s3_uri: str) -> MakeJob:
    """Jobs at fresh places of the bucket; this process and theirs are set up to reach it."""
    assert os.environ["AWS_ENDPOINT_URL_S3"] == s3_server.endpoint

    def make(**options) -> Job:
        return make_job(f"{s3_uri}/{uuid.uuid4().hex[:8]}", **options)

    return make
