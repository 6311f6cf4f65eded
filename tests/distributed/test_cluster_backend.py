from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.exceptions import ActorDiedError, GetTimeoutError, ObjectLostError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from aigc.distributed.cluster_backend import ClusterBackend, ClusterWorker
from aigc.distributed.session import connect
from aigc.errors import JobError, SpecError
from aigc.execution.backend import Task
from aigc.execution.pool import WorkerPool
from aigc.provenance.secrets import CERTIFICATE, KEY, VARIABLES, Secrets
from aigc.specs import Placement
from aigc.types import no_notice
from tests.execution.units import Unit, broken_setup, setup

pytestmark = pytest.mark.integration
ONE = Placement(workers=1)


def test_a_worker_that_cannot_begin_says_why(ray_session) -> None:
    notices: list[str] = []
    with (
        WorkerPool(ClusterBackend(broken_setup, ONE), ONE, notices.append) as pool,
        pytest.raises(SpecError, match=r"^gates\.memorisation\.data = nowhere: not found$"),
    ):
        pool.run([Unit(0, "/nowhere")], 1, lambda result: None)
    assert notices == []


_OUT_OF_MEMORY = """
import sys
from aigc.errors import JobError
from aigc.distributed.cluster_backend import ClusterBackend
from aigc.execution.pool import WorkerPool
from aigc.distributed.session import connect
from aigc.specs import Placement
from tests.execution.units import Unit, setup

one = Placement(workers=1, max_retries=1)
with connect(), WorkerPool(ClusterBackend(setup, one), one, print) as pool:
    try:
        pool.run([Unit(0, sys.argv[1], "hang")], 1, print)
    except JobError as error:
        print(error)
"""


@pytest.mark.faults
def test_a_worker_killed_by_the_memory_monitor_is_replaced_until_the_budget_is_spent(
    tmp_path: Path,
) -> None:
    """In a cluster of its own, whose monitor kills every worker."""
    strict = {"RAY_memory_usage_threshold": "0.0", "RAY_memory_monitor_refresh_ms": "100"}
    command = [sys.executable, "-c", _OUT_OF_MEMORY, str(tmp_path)]
    done = subprocess.run(
        command,
        check=False,
        env=os.environ | strict,
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = [line for line in done.stdout.splitlines() if "Ray's memory monitor" in line]
    assert done.returncode == 0, done.stderr
    assert said[0].endswith("trying again (1 of 1)")
    assert said[1].startswith("given up: ")
    assert all("died (out of memory:" in line for line in said)
    assert len(said) == 2


NOWHERE = NodeAffinitySchedulingStrategy(node_id="0" * 56, soft=False)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"scheduling_strategy": NOWHERE}, "it cannot be scheduled"),
        ({"runtime_env": {"image_uri": "none"}}, "its runtime environment could not be set up"),
    ],
    ids=["unschedulable", "runtime environment"],
)
def test_a_worker_that_ray_cannot_start_is_tried_again(
    ray_session: None, tmp_path: Path, options: dict[str, Any], why: str
) -> None:
    placement = Placement(workers=1, max_retries=1)
    backend = ClusterBackend(setup, placement)
    startable, backend._class = backend._class, backend._class.options(**options)
    notices: list[str] = []

    def notice(line: str) -> None:
        notices.append(line)
        backend._class = startable

    results: list[int] = []
    with WorkerPool(backend, placement, notice) as pool:
        pool.run([Unit(7, str(tmp_path))], 1, results.append)
    assert results == [7]
    (line,) = notices
    assert line.startswith(f"a worker that was starting: its worker died ({why}")
    assert line.endswith("trying again (1 of 1)")


class _RaisesRays:
    """A unit whose own code raises an error of Ray's: the unit's failure, not its worker's end."""

    def __str__(self) -> str:
        return "unit 0"

    def __call__(self) -> None:
        raise ActorDiedError()


def _calls(threads: int) -> Task:
    return lambda unit, on_items: unit()


def test_what_a_units_own_code_raises_does_not_count_as_its_workers_death(
    ray_session: None,
) -> None:
    placement = Placement(workers=1, max_retries=0)
    with (
        WorkerPool(ClusterBackend(_calls, placement), placement, lambda line: None) as pool,
        pytest.raises(JobError) as caught,
    ):
        pool.run([_RaisesRays()], 1, lambda result: None)
    assert "its worker died" not in str(caught.value)


def test_a_result_lost_with_its_node_counts_as_the_workers_death(
    ray_session: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(ref: str) -> None:
        raise ObjectLostError(ref, None, "")

    monkeypatch.setattr(ray, "get", lost)
    worker = ClusterWorker(None, {"ref": ("computed", "unit 0")})
    (event,) = ClusterBackend(setup, ONE)._events(worker, "ref")
    assert (event.kind, event.value) == (
        "died",
        "its result was lost with the node that held it",
    )


def test_an_error_of_ray_anywhere_in_a_session_is_one_line(ray_session: None) -> None:
    with pytest.raises(JobError, match=r"^Ray failed: no answer in time; run"), connect():
        raise GetTimeoutError("Get timed out: some object(s) not ready.\nmore")
    with pytest.raises(SpecError, match=r"^labels: no 'cat'$"), connect():
        raise SpecError("labels: no 'cat'")


def _environment_setup(threads: int) -> Task:
    return lambda unit, on_items: {name: os.environ.get(name) for name in VARIABLES}


def test_secrets_reach_workers_as_their_environment(ray_session) -> None:
    """In place of what the worker's machine has of them."""
    given = Secrets({CERTIFICATE: "a chain", KEY: "a key"})
    found: list[dict[str, str | None]] = []
    backend = ClusterBackend(_environment_setup, ONE, given)
    with WorkerPool(backend, ONE, no_notice) as pool:
        pool.run(["environment"], 1, found.append)
    assert found == [{**dict.fromkeys(VARIABLES), **given}]
    assert "a key" not in repr(given)
