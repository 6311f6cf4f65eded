"""Addresses of clusters as people write them: read, or refused at once with what to write."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from aigc.cli import app
from aigc.commands.common import exit_code
from aigc.distributed import address
from aigc.distributed.submit import Cluster
from aigc.errors import AigcError, PlacementError, SpecError

NAMED = [  # --address, RAY_ADDRESS, what is meant
    (None, "", None),
    (None, "  ", None),
    (None, "\r\n", None),
    (None, "local", None),
    ("local", "10.0.0.1:6379", None),
    (None, "10.0.0.1:6379", "10.0.0.1:6379"),
    (None, "10.0.0.1:6379\r", "10.0.0.1:6379"),
    (None, " 10.0.0.1:6379 ", "10.0.0.1:6379"),
    (None, "10.0.0.1:6379\n", "10.0.0.1:6379"),
    (None, "10.0.0.1:6379\u00a0", "10.0.0.1:6379"),
    ("10.0.0.2:6379\t", "10.0.0.1:6379", "10.0.0.2:6379"),
    ("  ", "10.0.0.1:6379", "10.0.0.1:6379"),
    ("auto", "10.0.0.1:6379", "10.0.0.1:6379"),
    ("Auto", "", "auto"),
]
READ = ["auto", "10.0.0.1:6379", "head:6379", "head-0.ray.svc.cluster.local:6380", "[fd00::1]:6379"]
REFUSED = [  # for a verb that runs here: what the line says
    ("http://10.0.0.1:8265", "--address http://10.0.0.1:8265; to run a verb from here give"),
    ("https://ray.shop.example", "--address https://ray.shop.example; to run a verb"),
    ("HTTP://HEAD:8265/", "give head:6379"),
    ("http://head:8265/#/jobs", "--address http://head:8265;"),
    ("http://", "give HEAD:6379"),
    ("ray://10.0.0.1:10001", "not supported; on a machine of the cluster give 10.0.0.1:6379"),
    ("ray://head", "aigc submit VERB SPEC.yaml --address http://head:8265"),
    ("10.0.0.1", "has no port; give 10.0.0.1:6379"),
    ("head", "has no port; give head:6379"),
    ("10.0.0.1:", "expected HOST:PORT"),
    (":6379", "expected HOST:PORT"),
    ("10.0.0.1:99999", "expected HOST:PORT"),
    ("10.0.0.1:0", "expected HOST:PORT"),
    ("10.0.0.1:6379:1", "expected HOST:PORT"),
    ("fd00::1:6379", "expected HOST:PORT"),
    ('"10.0.0.1:6379"', "expected HOST:PORT"),
    ("10.0.0.1 6379", "expected HOST:PORT"),
    ("10.0.0.1:6379,10.0.0.2:6379", "expected HOST:PORT"),
    ("redis://10.0.0.1:6379", "expected HOST:PORT"),
    ("10.0.0.1\r:6379", "expected HOST:PORT"),
]  # fmt: skip
DASHBOARDS = [
    ("http://10.0.0.1:8265", "http://10.0.0.1:8265"),
    ("http://10.0.0.1:8265/", "http://10.0.0.1:8265"),
    ("http://10.0.0.1:8265\r", "http://10.0.0.1:8265"),
    (" https://ray.shop.example ", "https://ray.shop.example"),
    ("HTTP://head:8265", "http://head:8265"),
    ("http://[fd00::1]:8265", "http://[fd00::1]:8265"),
]
NO_DASHBOARDS = [  # for jobs: what to write instead
    ("10.0.0.1:6379", "http://10.0.0.1:8265"),
    ("10.0.0.1:10001", "http://10.0.0.1:8265"),
    ("localhost:8265", "http://localhost:8265"),
    ("10.0.0.1:8266", "http://10.0.0.1:8266"),
    ("10.0.0.1", "http://10.0.0.1:8265"),
    ("auto", "http://HEAD:8265"),
    ("ray://head:10001", "http://head:8265"),
    ("http://", "http://HEAD:8265"),
    ("http://a/b c", "http://a"),
    ("http://head:8265/#/jobs", "http://head:8265"),
    ("'http://head:8265'", "http://head:8265"),
]


@pytest.mark.parametrize(("option", "variable", "meant"), NAMED)
def test_what_names_a_cluster(
    option: str | None, variable: str, meant: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", variable)
    assert address.named(option) == meant


@pytest.mark.parametrize("given", READ)
def test_an_address_is_taken_as_it_is(given: str) -> None:
    address.require_form(given)


@pytest.mark.parametrize(("given", "line"), REFUSED)
def test_what_is_not_an_address_says_what_to_write(given: str, line: str) -> None:
    with pytest.raises(SpecError) as refused:
        address.require_cluster(given)
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "\r" not in str(refused.value)


@pytest.mark.parametrize(("given", "url"), DASHBOARDS)
def test_a_dashboard_is_read(given: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aigc.distributed.submit._connect", lambda url: None)
    assert Cluster(given).address == url
    monkeypatch.setenv("RAY_ADDRESS", given)
    assert Cluster(None).address == url


@pytest.mark.parametrize(("given", "line"), NO_DASHBOARDS)
def test_jobs_go_to_a_dashboard_only(given: str, line: str) -> None:
    with pytest.raises(SpecError, match="jobs go to the dashboard") as refused:
        Cluster(given)
    assert str(refused.value).endswith(f"--address {line}")


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(SpecError) as refused:
        Cluster("http://me:secret@head:8265")
    assert "secret" not in str(refused.value)


@contextlib.contextmanager
def _nothing() -> Iterator[int]:
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
    yield port


@contextlib.contextmanager
def _silent() -> Iterator[int]:
    with socket.create_server(("", 0)) as server:
        yield server.getsockname()[1]


@contextlib.contextmanager
def _greeting() -> Iterator[int]:
    """As an SSH server: speaks first, and then waits."""
    kept = []

    def greet(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                kept.append(server.accept()[0])
                kept[-1].sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

    with socket.create_server(("", 0)) as server:
        threading.Thread(target=greet, args=(server,), daemon=True).start()
        yield server.getsockname()[1]
    for one in kept:
        one.close()


@contextlib.contextmanager
def _web(host: str = "") -> Iterator[int]:
    class Quiet(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer((host, 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def _on_loopback() -> contextlib.AbstractContextManager[int]:
    return _web("127.0.0.1")


@contextlib.contextmanager
def _control_store(answer: Callable[[Any], str] | None = None) -> Iterator[int]:
    """A gRPC server; with `answer` it knows the one call, and says the version that gives."""
    import grpc
    from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

    class Servicer(gcs_service_pb2_grpc.NodeInfoGcsServiceServicer):
        def CheckAlive(self, request: Any, context: Any) -> Any:  # noqa: N802
            assert answer is not None
            return gcs_service_pb2.CheckAliveReply(  # type: ignore[attr-defined]
                ray_version=answer(context)
            )

    server = grpc.server(futures.ThreadPoolExecutor(1))
    if answer:
        gcs_service_pb2_grpc.add_NodeInfoGcsServiceServicer_to_server(Servicer(), server)
    port = server.add_insecure_port("0.0.0.0:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def _other_version() -> contextlib.AbstractContextManager[int]:
    return _control_store(lambda context: "1.13.0")


def _other_token() -> contextlib.AbstractContextManager[int]:
    import grpc

    return _control_store(lambda context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong"))


def _late(context: Any) -> str:
    time.sleep(2)
    return "1.13.0"


def _stuck() -> contextlib.AbstractContextManager[int]:
    return _control_store(_late)


ANSWERS = [
    (_nothing, "no Ray cluster answers"),
    (_silent, "no answer within 1 s"),
    (_stuck, "no answer within 1 s"),
    (_greeting, "no Ray cluster answers"),
    (_web, "not a cluster's control store but a web server"),
    (_on_loopback, "not a cluster's control store but a web server"),
    (_control_store, "10001 is Ray Client's port"),
    (_other_version, "runs Ray 1.13.0, this machine"),
    (_other_token, "requires a token, and it is missing or wrong; set RAY_AUTH_MODE=token"),
]


@pytest.mark.parametrize(("server", "line"), ANSWERS)
def test_what_answers_there_is_said_within_a_bound(
    server: Callable[[], contextlib.AbstractContextManager[int]],
    line: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(address, "ANSWER_S", 1.0)
    monkeypatch.setattr(address, "_WEB_S", 0.5)
    began = time.monotonic()
    with server() as port, pytest.raises(PlacementError) as refused:
        address.require_cluster(f"127.0.0.1:{port}")
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)
    assert time.monotonic() - began < 60, "Ray itself waits for minutes"


def test_a_cluster_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # Ray goes past it
    with _control_store(lambda context: ray.__version__) as port:
        assert address.require_cluster(f"localhost:{port}").endswith(f":{port}")


def test_no_such_host() -> None:
    with pytest.raises(PlacementError, match=r"no Ray cluster answers at nowhere\.invalid:6379"):
        address.require_cluster("nowhere.invalid:6379")


@pytest.mark.parametrize("variable", ["http://10.0.0.1:8265", "ray://10.0.0.1:10001\r"])
def test_every_verb_asks_the_same_check(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from aigc.distributed import session

    monkeypatch.setenv("RAY_ADDRESS", variable)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(SpecError, match=r"10\.0\.0\.1:6379"), session.connect():
        pass


PROXIES = [  # HTTP_PROXY
    "http://127.0.0.1:9",
    "http://user:secret@127.0.0.1:9",
    "127.0.0.1:9",
    "http://nowhere.invalid:3128",
]


@pytest.mark.parametrize("proxy", PROXIES)
def test_jobs_name_the_proxy(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(AigcError) as refused:
        Cluster("http://10.0.0.1:8265")
    assert f"through the proxy {proxy.replace('user:secret@', '')} (HTTP_PROXY)" in str(
        refused.value
    )
    assert "NO_PROXY=10.0.0.1" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_proxy_that_answers_itself_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with _web() as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        with pytest.raises(AigcError, match=f"through the proxy http://127.0.0.1:{port}"):
            Cluster("http://10.0.0.1:8265")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with pytest.raises(PlacementError) as refused:
            Cluster("http://127.0.0.1:9")
    assert "proxy" not in str(refused.value)


def test_the_doctor_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    from aigc.distributed import doctor
    from aigc.storage import _s3_client

    for name in ("AWS_EC2_METADATA_DISABLED", "http_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("RAY_ADDRESS", "http://10.0.0.1:8265")
    _s3_client.client.cache_clear()
    storage, cluster = doctor._guarded(doctor._s3), doctor._guarded(doctor._cluster)
    _s3_client.client.cache_clear()
    assert (storage.state, storage.found) == ("ok", "no credentials; fine without s3://")
    assert cluster.state == "fail"
    assert "through the proxy http://127.0.0.1:9 (HTTP_PROXY)" in cluster.advice
    assert "reinstall" not in storage.advice + cluster.advice


BROKEN = [
    (SpecError("one line"), "one line", ""),
    (OSError(5, "Input/output error"), "OSError", "report"),
    (ImportError("no module"), "ImportError", "reinstall aigc"),
]


@pytest.mark.parametrize(("error", "found", "advice"), BROKEN)
def test_a_check_that_breaks_says_the_right_thing(
    error: Exception, found: str, advice: str
) -> None:
    from aigc.distributed import doctor

    def _broken() -> doctor.Finding:
        raise error

    row = doctor._guarded(_broken)
    assert (row.subject, row.state) == ("broken", "fail")
    assert found in row.found
    assert advice in row.advice
    assert bool(row.advice) == bool(advice)


@pytest.mark.parametrize("verb", ["generate", "append"])
def test_a_verb_is_refused_in_one_line(
    verb: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://10.0.0.1:8265\r")
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    arguments = {
        "generate": ["m", "--count", "3", "--out", str(tmp_path / "s")],
        "append": [str(tmp_path / "s"), "--to", "9"],
    }
    assert exit_code(app, [verb, *arguments[verb]]) == 2
    line = capsys.readouterr().err
    assert line.startswith("aigc: address 'http://10.0.0.1:8265' is a dashboard's")
    assert line.count("\n") == 1


def test_a_dashboard_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aigc.distributed.submit._HELLO_S", 0.5)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with _silent() as port, pytest.raises(PlacementError, match="no Ray dashboard answers"):
        Cluster(f"http://127.0.0.1:{port}")
