#!/usr/bin/env python3
"""A Ray cluster of several nodes on this one machine, to try what a real cluster would do.

    python cluster/local.py start --nodes 2 --cpus-per-node 2
    python cluster/local.py stop

Each node is a raylet of its own: workers, shards and failures are spread as over machines. Token
authentication is on, everything listens on 127.0.0.1 only. It needs Ray installed, not aigc.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
READY_S, STOP_S = 90, 20
ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def main() -> int:
    options = _parse()
    with contextlib.suppress(KeyboardInterrupt):
        return int(options.run(options))
    stop(options)
    return 130


def start(options: argparse.Namespace) -> int:
    """Start head and nodes, wait until all have joined, print how to reach them."""
    if _read_state(options.dir):
        return _fail(f"a cluster of {options.dir} is recorded already; stop it first")
    for port in (options.port, options.dashboard_port):
        if _answers(port):
            return _fail(f"port {port} is taken; choose another with --port or --dashboard-port")
    interpreter = str(Path(sys.executable).parent)
    path = os.pathsep.join([interpreter, os.environ.get("PATH", os.defpath)])
    environment = os.environ | ENVIRONMENT | {"PATH": path}
    token = _token(environment)
    head = ["--head", f"--port={options.port}", f"--dashboard-port={options.dashboard_port}"]
    head += [f"--dashboard-host={HOST}", "--include-dashboard=true"]
    options.dir = options.dir.absolute()
    options.dir.mkdir(parents=True, exist_ok=True)
    state = {"port": options.port, "dashboard_port": options.dashboard_port, "pids": []}
    for number in range(options.nodes):
        joining = [f"--address={HOST}:{options.port}"]
        state["pids"] += [_start_node(options, number, joining if number else head, environment)]
        _state_file(options.dir).write_text(json.dumps(state))
        if not _wait_for_nodes(options, number + 1, token):
            log = options.dir / f"node-{number}.log"
            stop(options)
            return _fail(f"node {number} was not ready within {READY_S} s; see {log}")
    print(
        f"{options.nodes} nodes of {options.cpus_per_node} CPUs: http://{HOST}:{options.dashboard_port}"
    )
    print(f"as a driver:  export RAY_AUTH_MODE=token RAY_ADDRESS={HOST}:{options.port}")
    print(
        f"submit to it: aigc submit VERB SPEC.yaml --address http://{HOST}:{options.dashboard_port}"
    )
    return 0


def stop(options: argparse.Namespace) -> int:
    """End the nodes that `start` began, by process id, the head last."""
    state = _read_state(options.dir)
    if not state:
        print(f"no cluster is recorded in {options.dir}")
        return 0
    for pid in reversed(state["pids"]):
        _end(pid)
    _state_file(options.dir).unlink()
    print(f"stopped {len(state['pids'])} nodes")
    return 0


def status(options: argparse.Namespace) -> int:
    """Print address and live nodes; exit 1 when there is no cluster."""
    state = _read_state(options.dir)
    if not state:
        return _fail(f"no cluster is recorded in {options.dir}")
    alive = sum(_is_ours(pid) for pid in state["pids"])
    print(f"{alive} of {len(state['pids'])} nodes: http://{HOST}:{state['dashboard_port']}")
    return 0 if alive == len(state["pids"]) else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    default = Path(os.environ.get("XDG_STATE_HOME", "~/.local/state")).expanduser() / "aigc-cluster"
    parser.add_argument("--dir", type=Path, default=default, help="where process ids and logs go")
    verbs = parser.add_subparsers(required=True)
    begin = verbs.add_parser("start", help="start the nodes and wait for them")
    begin.add_argument("--nodes", type=int, default=2)
    begin.add_argument("--cpus-per-node", type=int, default=2)
    begin.add_argument("--port", type=int, default=6379, help="of Ray's control store")
    begin.add_argument("--dashboard-port", type=int, default=8265, help="of jobs and dashboard")
    begin.add_argument("--object-store-mb", type=int, default=256, help="per node")
    begin.add_argument("--temp-dir", help="Ray's session folder; default /tmp/ray")
    begin.set_defaults(run=start)
    verbs.add_parser("stop", help="end them").set_defaults(run=stop)
    verbs.add_parser("status", help="are they alive").set_defaults(run=status)
    return parser.parse_args()


def _start_node(
    options: argparse.Namespace, number: int, role: list[str], environment: dict[str, str]
) -> int:
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *role]
    command += [f"--node-ip-address={HOST}", f"--num-cpus={options.cpus_per_node}"]
    command += [f"--object-store-memory={options.object_store_mb * 2**20}"]
    # Several raylets share one address, so no port may be a fixed default.
    command += ["--min-worker-port=0", "--max-worker-port=0", "--dashboard-agent-listen-port=0"]
    if options.temp_dir and number == 0:
        command += [f"--temp-dir={options.temp_dir}"]
    with (options.dir / f"node-{number}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=options.dir,
            start_new_session=True,
        )
    return process.pid


def _wait_for_nodes(options: argparse.Namespace, wanted: int, token: str) -> bool:
    url = f"http://{HOST}:{options.dashboard_port}/api/v0/nodes"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, KeyError):
            with direct.open(request, timeout=10) as answer:
                nodes = json.load(answer)["data"]["result"]["result"]
            if sum(node["state"] == "ALIVE" for node in nodes) >= wanted:
                return True
        time.sleep(0.5)
    return False


def _token(environment: dict[str, str]) -> str:
    """The token Ray will find: from the environment, else ~/.ray/auth_token, made if missing."""
    if environment.get("RAY_AUTH_TOKEN"):
        return environment["RAY_AUTH_TOKEN"]
    path = Path(environment.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    return path.read_text().strip()


def _end(pid: int) -> None:
    """SIGTERM lets `ray start --block` take its node's processes with it; SIGKILL is the bound."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if not _is_ours(pid):
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, sign) if sign == signal.SIGKILL else os.kill(pid, sign)
        deadline = time.monotonic() + STOP_S
        while _is_ours(pid) and time.monotonic() < deadline:
            time.sleep(0.2)


def _is_ours(pid: int) -> bool:
    """Whether `pid` is still the node we started, not a later process with its number."""
    with contextlib.suppress(OSError):
        command = subprocess.run(
            ["ps", "-ww", "-o", "stat=,args=", "-p", str(pid)],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        return "ray.scripts.scripts" in command and not command.startswith("Z")
    return False


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def _state_file(folder: Path) -> Path:
    return folder / "cluster.json"


def _read_state(folder: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads(_state_file(folder).read_text())
    except (OSError, ValueError):
        return {}
    return state


def _fail(message: str) -> int:
    print(f"local: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
