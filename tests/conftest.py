"""Fixtures shared by all tests: one Ray session, one S3 server, one tiny data set a run."""

from __future__ import annotations

import logging
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from aigc.storage import _s3_client
from tests.servers import S3Server, make_bucket, seaweedfs

pytest_plugins = ["tests.flaky"]


@pytest.fixture(scope="session", autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test depends on, or touches, the cluster, store or credentials of its machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "AIGC_AUDIT")) or name in (
                "RAY_ADDRESS",
                "AIGC_STORE",
                "AIGC_KEYS",
            ):
                patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AIGC_STORE", str(tmp_path_factory.mktemp("store")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> Iterator[None]:
    """Ctrl-C is heard, by what tests start, too: a shell's `&` leaves it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    with seaweedfs() as server:
        yield server


@pytest.fixture
def s3_uri(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A fresh bucket as s3://…, with the environment set so that everything reaches it."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    _s3_client.client.cache_clear()
    yield make_bucket(s3_server, f"test-{uuid.uuid4().hex[:12]}")
    _s3_client.client.cache_clear()


@pytest.fixture(scope="session")
def ray_session(s3_server: S3Server) -> Iterator[None]:
    """One two-CPU Ray session for the whole run; its workers can reach the S3 server."""
    import ray

    from aigc.distributed.session import QUIET

    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**QUIET, **s3_server.environment}.items():
            patch.setenv(name, value)
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=512 * 2**20,
            logging_level=logging.WARNING,
        )
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def digits_data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A prepared data set of scikit-learn's digits at 16×16 grey."""
    from aigc.data.fetch import fetch
    from aigc.distributed.prepare import run
    from aigc.modalities.image.spec import PrepareImages

    folder: Path = tmp_path_factory.mktemp("digits")
    fetch("digits", str(folder / "raw"))
    run(PrepareImages(source=str(folder / "raw"), out=str(folder / "data"), size=16, channels=1))
    return str(folder / "data")
