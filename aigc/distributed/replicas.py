"""Checks capacity for an endpoint's first replicas, and waits for them with a timeout."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Sequence

import ray
from ray import serve
from ray._private.state import actors
from ray.serve.context import _get_global_client
from ray.serve.schema import ApplicationStatus, ApplicationStatusOverview

from aigc.distributed.autoscaler import Amounts, described, fits, may_grow
from aigc.distributed.proxy_admission import APPLICATION
from aigc.errors import JobError, PlacementError
from aigc.execution.local import machine
from aigc.specs import ServeSpec
from aigc.types import Notice

_POLL_S = 0.2
_NOTICE_AFTER_S = 10.0
_REPLICAS = f"SERVE_REPLICA::{APPLICATION}#"
_ERROR = re.compile(r"^\s*(?:\w+\.)*\w*(?:Error|Exception): (.+)$", re.MULTILINE)


def require_capacity(spec: ServeSpec) -> None:
    """Raises PlacementError if no node fits the first replicas and no autoscaler can add one."""
    nodes = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    refused = _refused(spec, [node["Resources"] for node in nodes])
    if refused and not may_grow(nodes, _needs(spec)):
        raise refused


def require_capacity_here(spec: ServeSpec) -> None:
    """`require_capacity` for this machine, before Ray is started on it."""
    if refused := _refused(spec, [machine()]):
        raise refused


def _refused(spec: ServeSpec, nodes: Sequence[Amounts]) -> PlacementError | None:
    needs, wanted = _needs(spec), max(1, spec.scaling.min_replicas)
    if sum(fits(node, needs) for node in nodes) >= wanted:
        return None
    there = "; ".join(map(described, nodes)) or "none"
    return PlacementError(
        f"no capacity for {wanted} replica(s) with {described(needs)} each: nodes have {there}; "
        "lower cpus_per_replica, gpus_per_replica or scaling.min_replicas"
    )


def _needs(spec: ServeSpec) -> Amounts:
    return {"CPU": spec.cpus_per_replica, "GPU": spec.gpus_per_replica}


def wait(spec: ServeSpec, notice: Notice) -> None:
    """Wait until the application runs and every proxy serves it.

    Raises:
        JobError: a replica failed as it started, none started within `startup_timeout_s`, or a
            proxy does not answer.
    """
    begun, is_reported = time.monotonic(), False
    while (found := serve.status().applications[APPLICATION]).status != ApplicationStatus.RUNNING:
        waited_s = time.monotonic() - begun
        if found.status == ApplicationStatus.DEPLOY_FAILED:
            raise JobError(f"no replica could start: {reason(_messages(found))}")
        if waited_s > spec.startup_timeout_s:
            raise JobError(
                f"no replica started within startup_timeout_s = {spec.startup_timeout_s:g} s; "
                f"{_missing(spec)}"
            )
        if waited_s > _NOTICE_AFTER_S and not is_reported:
            notice(
                f"waiting for replicas, up to startup_timeout_s = {spec.startup_timeout_s:g} s; "
                f"{_missing(spec)}"
            )
            is_reported = True
        time.sleep(_POLL_S)
    client = _get_global_client()
    if client is not None:
        with proxies_in_time():
            client.wait_for_proxies_serving()


@contextlib.contextmanager
def proxies_in_time() -> Iterator[None]:
    """Wrap a wait for Serve's proxies. Raises JobError if one does not answer in time."""
    try:
        yield
    except TimeoutError as error:
        raise JobError(
            f"Ray Serve does not start: {str(error).rstrip('.')}; give its nodes more CPU time, or "
            "try again when they are less busy"
        ) from None


def reason(message: str) -> str:
    """The line of a traceback that names the cause."""
    errors = _ERROR.findall(message)
    lines = message.strip().splitlines() or ["Ray gives no reason"]
    return str(errors[-1] if errors else lines[-1]).strip()


def _messages(found: ApplicationStatusOverview) -> str:
    parts = [found.message, *(each.message for each in found.deployments.values())]
    return "\n".join(part for part in parts if part)


def _missing(spec: ServeSpec) -> str:
    wanted, placed, needs = max(1, spec.scaling.min_replicas), _placed(), _needs(spec)
    free: Amounts = ray.available_resources()  # type: ignore[no-untyped-call]
    if placed >= wanted or fits(free, needs):
        return "they are starting and loading models"
    return (
        f"{placed} of {wanted} run; each needs {described(needs)} of one node, the whole cluster "
        f"has {described(free)} free"
    )


def _placed() -> int:
    """Replicas whose process runs."""
    running = actors(actor_state_name="ALIVE").values()
    return sum(actor["Name"].startswith(_REPLICAS) for actor in running)
