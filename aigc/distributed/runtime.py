"""Chooses where a job runs: in processes of this machine, or in actors of a Ray cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from aigc.distributed.address import named
from aigc.execution import forking
from aigc.execution.backend import WorkerBackend
from aigc.execution.local import LocalBackend, local_capacity, local_gpus
from aigc.execution.shard_work import ShardSetup
from aigc.families.protocol import Device
from aigc.job.plan import Job
from aigc.specs import Placement

# Ray is imported only where it is used: its import takes a second.


@contextmanager
def job_runtime(address: str | None) -> Iterator[bool]:
    """A Ray session if a cluster is named (or this process is part of one), else local workers.

    Yields:
        Whether the job runs on Ray.
    """
    if not is_on_cluster(address):
        forking.warm()
        try:
            yield False
        finally:
            forking.cool()
        return
    from aigc.distributed.session import connect  # noqa: PLC0415

    with connect(address):
        yield True


def is_on_cluster(address: str | None) -> bool:
    ray = sys.modules.get("ray")
    joined = ray is not None and ray.is_initialized()
    return joined or named(address) is not None


def choose_device(placement: Placement, on_cluster: bool) -> Device:
    """`cuda` if each worker gets a GPU, else `cpu`."""
    if not on_cluster:
        return "cuda" if local_gpus(placement) else "cpu"
    from aigc.distributed.session import plan_workers  # noqa: PLC0415

    return "cuda" if plan_workers(placement).gpus else "cpu"


def require_capacity(job: Job, placement: Placement, on_cluster: bool) -> None:
    """Raises PlacementError if no worker for `job` can be placed."""
    placement = _suited(placement, job)
    if not on_cluster:
        local_capacity(placement)
        return
    from aigc.distributed.session import plan_workers  # noqa: PLC0415

    plan_workers(placement)


def _suited(placement: Placement, job: Job) -> Placement:
    """Without GPUs if the job runs on CPUs."""
    gpus = placement.gpus_per_worker if job.device == "cuda" else 0
    return placement.model_copy(update={"gpus_per_worker": gpus})


def make_backend(setup: ShardSetup, placement: Placement, on_cluster: bool) -> WorkerBackend:
    """The backend whose workers run units of `setup`'s job. Raises PlacementError."""
    placement = _suited(placement, setup.job)
    if not on_cluster:
        return LocalBackend(setup, placement)
    from aigc.distributed.cluster_backend import ClusterBackend  # noqa: PLC0415

    return ClusterBackend(setup.portable(), placement, setup.secrets)
