from __future__ import annotations

import os
import random
import socket

import pytest

from aigc.orchestration import proxy
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
