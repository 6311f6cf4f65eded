"""Shared by all tests: their order, one Ray session, one server of forks and of S3, a data set."""

from __future__ import annotations

import functools
import logging
import os
import signal
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from aigc.execution import forking
from aigc.storage import _s3_client
from tests import forked
from tests.servers import S3Server, make_bucket, seaweedfs

pytest_plugins = ["tests.flaky"]

LONGEST_FIRST = ("integration", "bench", "faults", "execution", "studio", "distributed", "commands")
_RAY = "ray_session"
_on_ray = set[Path]()
"""The modules with tests that ask for a Ray session."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules on Ray go first, so that each process starts it once. Then the folders of the longest
    modules: where two run at a time, neither core waits long for the other at the end."""
    here = Path(__file__).parent
    _on_ray.update(item.path for item in items if _RAY in getattr(item, "fixturenames", ()))
    rank = {name: number for number, name in enumerate(LONGEST_FIRST)}

    def order(item: pytest.Item) -> tuple[bool, int]:
        folder = item.path.relative_to(here).parts[0]
        return item.path not in _on_ray, rank.get(folder, len(rank))

    items.sort(key=order)


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


@pytest.fixture(scope="session", autouse=True)
def _one_fork_server() -> Iterator[None]:
    """`aigc` ends the server of its workers after each job, and that of the next job takes seconds
    to import. Here one server forks the workers of all jobs."""
    cool = forking.cool
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forking, "_PRELOAD", [*forking._PRELOAD, forked.__name__])
        patch.setattr(forking.context, "Process", forked.process)
        patch.setattr(forking, "cool", lambda: None)
        yield
    cool()


@pytest.fixture(scope="session", autouse=True)
def _one_command_line() -> Iterator[None]:
    """Typer builds all commands anew for each call, which takes longer than most calls."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", functools.cache(typer.main.get_command))
        yield


@pytest.fixture(scope="module", autouse=True)
def _no_ray_unless_asked_for(request: pytest.FixtureRequest) -> None:
    """Jobs run on a Ray session that is there: one ends before modules that do not ask for it."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized() and request.path not in _on_ray:
        ray.shutdown()


@pytest.fixture(scope="session")
def _end_of_ray() -> Iterator[None]:
    import ray

    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def ray_session(s3_server: S3Server, _end_of_ray: None) -> None:
    """A two-CPU Ray session, which goes on for the next modules that ask for one; its workers can
    reach the S3 server."""
    import ray

    from aigc.distributed.session import QUIET

    if ray.is_initialized():
        return
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
