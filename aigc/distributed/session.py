"""Connects to Ray and checks before a job starts whether the cluster can place its workers."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError

from aigc.cpus import usable_cpus
from aigc.distributed.address import named, require_cluster
from aigc.distributed.autoscaler import described, fits, may_grow
from aigc.distributed.ray_errors import reason
from aigc.distributed.session_end import nothing_left
from aigc.errors import AigcError, JobError, PlacementError
from aigc.execution.bounds import within
from aigc.specs import Placement

QUIET = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_metrics_report_interval_ms": "60000",
}
"""Ray reports its own metrics every 10 s by default, which delays a replica on the same core by
0.15 s. Measured at 0.6 of one core's capacity: p99 67 to 96 ms; with one report a minute 39 ms."""
_LOCAL_OBJECT_STORE_BYTES = 2**30
JOIN_S = 45.0
"""Timeout of joining a cluster whose control store answers."""


@dataclass(frozen=True)
class Workers:
    """Number of workers and the resources of each."""

    count: int
    cpus: float
    gpus: float

    @property
    def ray_options(self) -> dict[str, float]:
        return {"num_cpus": self.cpus, "num_gpus": self.gpus}


@contextlib.contextmanager
def connect(address: str | None = None, *, relay: bool = True) -> Iterator[None]:
    """A Ray session: the cluster at `address` or RAY_ADDRESS, else a private one on this machine.

    The output of its processes is shown here, unless `relay` is False. A session that is already
    open (a job's driver, a test) is used and left open.

    Raises:
        SpecError: the form of the address is wrong.
        PlacementError: no cluster answers at the address, see `require_cluster`, or it cannot be
            joined within `JOIN_S`.
        JobError: Ray failed inside the block.
    """
    if ray.is_initialized():
        with _in_one_line():
            yield
        return
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    where = named(address)
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
    if where:
        where = require_cluster(where)
    with contextlib.nullcontext() if where else nothing_left():
        try:
            _join(where, relay)
        except AigcError:
            raise
        except Exception as error:  # Ray raises all kinds, Exception itself among them
            raise PlacementError(_unjoined(where, error)) from None
        try:
            with _in_one_line():
                yield
        finally:
            ray.shutdown()


def _join(where: str | None, relay: bool) -> None:
    options: dict[str, Any] = {"logging_level": logging.WARNING, "log_to_driver": relay}
    if where:
        with within(JOIN_S, _late(where)):
            ray.init(address=where, **options)
        return
    ray.init(
        address="local",  # without it Ray joins any cluster on this machine
        num_cpus=usable_cpus(),
        include_dashboard=False,
        object_store_memory=_LOCAL_OBJECT_STORE_BYTES,
        **options,
    )


@contextlib.contextmanager
def _in_one_line() -> Iterator[None]:
    """Raise a `RayError`, such as of a full object store or a lost head, as `JobError`."""
    try:
        yield
    except RayError as error:
        if isinstance(error, AigcError):  # raised in a worker: Ray derives a class from both
            raise
        raise JobError(
            f"Ray failed: {reason(error)}; run the same command again to continue"
        ) from None


def _late(where: str) -> str:
    return (
        f"the cluster at {where} answers, but could not be joined within {JOIN_S:g} s; check "
        "`ray status` there for dead nodes, restart the cluster, or give another --address"
    )


def plan_workers(placement: Placement, units: int | None = None) -> Workers:
    """The workers for `units` units of work (None: any number).

    If an autoscaler may add nodes, workers beyond the present capacity are requested, for it to
    act on; without `placement.workers` at least one.

    Raises:
        PlacementError: no node is large enough for one worker, or the cluster for all of them, and
            no autoscaler can add one.
    """
    nodes, live = ray.nodes(), _live()  # type: ignore[no-untyped-call]
    gpus = placement.gpus_per_worker
    if gpus is None:
        gpus = 1.0 if any(node.get("GPU", 0) >= 1 for node in live) else 0.0
    needs = {"CPU": placement.cpus_per_worker, "GPU": gpus}
    workers = Workers(0, needs["CPU"], gpus)
    capacity = capacity_for(workers)
    wanted = placement.workers or max(1, capacity)
    if wanted > capacity and not may_grow(nodes, needs):
        raise PlacementError(_refusal(wanted, capacity, needs, live))
    return dataclasses.replace(workers, count=min(wanted, units or wanted))


def capacity_for(workers: Workers) -> int:
    """Number of such workers that fit on the live nodes, busy or not."""
    needs = {"CPU": workers.cpus, "GPU": workers.gpus}
    return sum(fits(node, needs) for node in _live())


def _live() -> list[dict[str, float]]:
    """Resources of each node."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return [node["Resources"] for node in nodes if node["Alive"]]


def _refusal(
    wanted: int, capacity: int, needs: dict[str, float], nodes: list[dict[str, float]]
) -> str:
    if capacity:
        return (
            f"placement.workers = {wanted}: the cluster has capacity for {capacity} worker(s) with "
            f"{described(needs)} each; lower placement.workers or add nodes"
        )
    return (
        f"no node has capacity for a worker with {described(needs)}: the largest of "
        f"{len(nodes)} node(s) has {described(_largest(nodes))}; lower "
        "placement.cpus_per_worker or placement.gpus_per_worker, or add a larger node"
    )


def _unjoined(where: str | None, error: BaseException) -> str:
    why = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if where is None:
        return f"Ray does not start on this machine: {why}"
    return (
        f"the cluster at {where} cannot be joined from here: {why}; run this on one of its "
        "machines, or submit it: aigc submit VERB SPEC.yaml --address http://HEAD:8265"
    )


def _largest(nodes: list[dict[str, float]]) -> dict[str, float]:
    return {key: max((node.get(key, 0) for node in nodes), default=0) for key in ("CPU", "GPU")}
