from __future__ import annotations

import os
import random
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from aigc.orchestration import front, proxy
from aigc.specs import ServeSpec
from tests.haproxy_for_tests import HEAD, free_port, haproxy

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


def test_without_haproxy_none_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node's environment asks for it."""
    monkeypatch.setattr(os, "environ", os.environ | {"RAY_SERVE_ENABLE_HA_PROXY": "1"})
    with proxy.chosen(ServeSpec(proxy="ray")):
        assert os.environ["RAY_SERVE_ENABLE_HA_PROXY"] == "0"
        assert front.metrics_port() is None


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


@pytest.mark.parametrize("listed", ["https://shop.example", "*"])
def test_listed_origins_may_read_a_refusal(tmp_path: Path, listed: str) -> None:
    port = free_port()
    config = (
        f"{HEAD}frontend f\n    bind 127.0.0.1:{port}\n    acl all path_beg /\n"
        "    use_backend http-aigc if all\nbackend http-aigc\n"
    )
    script = front.edits(ServeSpec(cors_origins=(listed, "https://a.example", "odd'{ one")))
    done = subprocess.run(
        ["sed", "-e", script], input=config, capture_output=True, text=True, check=True
    )
    allowed = "access-control-allow-origin"
    with haproxy(done.stdout, tmp_path, port):
        for origin in ("https://shop.example", "https://other.example"):
            headers = {"origin": origin}
            refused = httpx.get(f"http://127.0.0.1:{port}/v1/images/x", headers=headers)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
            may = listed in ("*", origin)
            assert refused.headers.get(allowed) == (origin if may else None)
            assert (
                "retry-after" in refused.headers.get("access-control-expose-headers", "")
            ) == may
