from __future__ import annotations

import os
import random
import socket
import subprocess

import pytest

from aigc.orchestration import front, proxy
from aigc.specs import ServeSpec

PORT = "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT"


def first_port(seed: int) -> int:
    """Of the replicas of an endpoint that is started now."""
    random.seed(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", dict(os.environ))
        with proxy.chosen(ServeSpec(proxy="haproxy")):
            return int(os.environ[PORT])


def test_endpoints_of_one_machine_share_no_port() -> None:
    """Two of Ray's replicas may listen on one port, and each then gets some of its connections."""
    port = first_port(seed=1)
    assert first_port(seed=1) == port
    with socket.create_server(("127.0.0.1", port), reuse_port=True):
        assert first_port(seed=1) != port


def test_places_are_counted_before_a_replica_is_asked() -> None:
    """Ray's template still has the line that the rules are put before."""
    from ray.serve._private.haproxy_templates import HAPROXY_CONFIG_TEMPLATE

    assert "\n    use_backend {{ backend.name or 'unknown' }} if" in HAPROXY_CONFIG_TEMPLATE
    config = "frontend f\n    log x\n    use_backend http-aigc if is_http-aigc\n"
    script = front.edits(ServeSpec(max_in_flight=7))
    done = subprocess.run(
        ["sed", "-e", script], input=config, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[-1] == config.splitlines()[-1]
    assert "mul(7)" in lines[-3]
    assert "http-request return status 503" in lines[-2]
    assert not any(line.lstrip().startswith("log ") for line in lines)
