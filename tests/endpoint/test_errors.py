from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from aigc.endpoint.settings import EndpointSettings
from aigc.service.batcher import Batcher
from tests.endpoint.conftest import Endpoint, behind_haproxy
from tests.service.test_catalogue import publish_bad
from tests.waiting import wait_until

GENERATIONS = "/v1/images/generations"
ONE = {"label": "one", "seed": 1}


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"model": "tiny"', "application/json", 400),
        (b"", "application/json", 400),
        (b'{"model": "tiny", "n": 1000000}', "application/json", 400),
        (b'{"model": "tiny", "n": true}', "application/json", 400),
        (b'{"model": 3}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"model=tiny", "application/x-www-form-urlencoded", 415),
        (b" " * 300_000, "application/json", 413),
        (b'{"model": "nobody", "prompt": "one"}', "application/json", 404),
    ],
)
def test_wrong_bodies(client: httpx.Client, body: bytes, kind: str, status: int) -> None:
    answer = client.post(GENERATIONS, content=body, headers={"content-type": kind})
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.headers["x-request-id"]


def test_null_is_as_good_as_absent(client: httpx.Client) -> None:
    fields = ("n", "size", "output_format", "output_compression", "seed", "index", "stream", "user")
    nulls = dict.fromkeys((*fields, "response_format", "quality", "truncation", "labels"))
    made = client.post(GENERATIONS, json={"model": "tiny", "prompt": "one", **nulls})
    assert (made.status_code, len(made.json()["data"])) == (200, 1)
    ends = {"from": {"label": "one", "seed": 1, "index": None}, "to": {"label": "two", "seed": 2}}
    walk = {"model": "tiny", **ends, "steps": None, "size": None}
    assert client.post("/v1/latents/walk", json=walk).status_code == 200
    unknown = client.post(GENERATIONS, json={"model": "tiny", "colour": None})
    assert unknown.json()["error"]["code"] == "unknown_parameter"
    missing = client.post("/v1/latents/walk", json=walk | {"from": None})
    assert (missing.status_code, missing.json()["error"]["param"]) == (400, "from")


def test_a_chunked_body_is_counted_too(client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 10_000

    answer = client.post(
        GENERATIONS, content=chunks(), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413


@pytest.mark.parametrize("path", ["/v1/images/variations", "/v1/images/edits"])
def test_wrong_forms(client: httpx.Client, path: str) -> None:
    def status(**request: object) -> int:
        return client.post(path, **request).status_code  # type: ignore[arg-type]

    good = ("a.png", client.get("/v1/images/vae@v1/one/1/0.png").content)
    fields = {"model": "vae"}
    assert status(data=fields, files={"image": good}) == 200
    assert status(data=fields) == 415
    assert status(data=fields, files={"other": good}) == 400
    assert status(data=fields, files=[("image", good), ("image", good)]) == 400
    assert status(data=fields, files={"image": ("a.png", b"no picture")}) == 400
    assert status(data=fields | {"n": "x"}, files={"image": good}) == 400
    assert status(data=fields | {"response_format": "url"}, files={"image": good}) == 400
    assert status(content=b"x", headers={"content-type": "multipart/form-data"}) == 400
    cut = b'--b\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\nabc'
    assert status(content=cut, headers={"content-type": "multipart/form-data; boundary=b"}) == 400


@pytest.mark.parametrize(("charset", "name"), [("undefined", "model"), ("idna", "xn--a-")])
def test_a_form_in_an_odd_charset(client: httpx.Client, charset: str, name: str) -> None:
    kind = f"multipart/form-data; boundary=b; charset={charset}"
    form = f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\nvae\r\n--b--\r\n'
    answer = client.post("/v1/images/edits", content=form, headers={"content-type": kind})
    assert answer.status_code == 400
    assert "charset" in answer.json()["error"]["message"]


def test_an_upload_has_a_limit(models: Endpoint) -> None:
    limits = EndpointSettings(max_upload_bytes=10_000, access_log=False)
    with models.running(endpoint=limits, models=("vae",)) as client:
        answer = client.post(
            "/v1/images/variations", data={"model": "vae"}, files={"image": b"x" * 20_000}
        )
    assert answer.status_code == 413


def test_who_sends_too_slowly_is_told(models: Endpoint) -> None:
    limits = EndpointSettings(body_timeout_s=0.3, access_log=False)
    with models.running(endpoint=limits, models=("tiny",)) as client:
        with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as raw:
            raw.sendall(b"POST /v1/images/generations HTTP/1.1\r\nhost: x\r\n")
            raw.sendall(b"content-type: application/json\r\ncontent-length: 100\r\n\r\n{")
            assert b" 408 " in raw.recv(4096)
        assert client.get("/readyz").status_code == 200


def test_ids_come_back(client: httpx.Client) -> None:
    assert client.get("/healthz", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == (
        "mine-1"
    )
    odd = client.get("/healthz", headers={"x-request-id": "a b\tc"}).headers["x-request-id"]
    assert len(odd) == 16


def test_an_id_is_added_once(models: Endpoint) -> None:
    """Not here where Ray Serve adds it."""
    settings = EndpointSettings(adds_id=False, access_log=False)
    with models.running(endpoint=settings, models=("tiny",)) as client:
        assert "x-request-id" not in client.get("/healthz").headers


def test_other_origins_are_off_unless_listed(models: Endpoint, client: httpx.Client) -> None:
    origin = {"origin": "https://shop.example"}
    assert "access-control-allow-origin" not in client.get("/v1/models", headers=origin).headers
    listed = EndpointSettings(cors_origins=("https://shop.example",), access_log=False)
    with models.running(endpoint=listed, models=("tiny",)) as open_client:
        allowed = open_client.get("/v1/models", headers=origin).headers
        assert allowed["access-control-allow-origin"] == "https://shop.example"


def test_clients_of_other_origins_may_send_headers_of_their_own(models: Endpoint) -> None:
    """OpenAI's for JavaScript sends a dozen."""
    asked = {
        "origin": "https://shop.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-os",
    }
    listed = EndpointSettings(cors_origins=("https://shop.example",), access_log=False)
    with models.running(endpoint=listed, models=("tiny",)) as client:
        allowed = client.options(GENERATIONS, headers=asked)
        assert allowed.status_code == 200
        assert "x-stainless-os" in allowed.headers["access-control-allow-headers"]
        assert client.options(GENERATIONS, headers=asked | {"origin": "https://x"}).is_error


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", GENERATIONS, {"model": "tiny", "prompt": "one"}),
        ("POST", "/v1/latents/walk", {"model": "tiny", "from": ONE, "to": ONE}),
        ("GET", "/v1/images/tiny@v1/one/1/2.png", None),
    ],
)
def test_our_fault_is_told_in_the_usual_shape(
    models: Endpoint, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: dict | None
) -> None:
    with models.running(models=("tiny",)) as client:
        monkeypatch.setattr(Batcher, "enter", lambda *_: 1 / 0)
        answer = client.request(method, path, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nothing", 404), ("DELETE", "/v1/models", 405)]
)
def test_what_is_not_there_is_told_in_the_usual_shape(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_who_hangs_up_is_no_fault_of_ours(models: Endpoint) -> None:
    body = json.dumps({"model": "tiny", "from": ONE, "to": ONE, "size": "1024x1024", "steps": 64})
    with models.running(models=("tiny",), max_pixels=2**27) as client:
        place = (client.base_url.host, client.base_url.port or 0)
        with socket.create_connection(place) as raw:
            head = f"POST /v1/latents/walk HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
            raw.sendall(f"{head}content-type: application/json\r\n\r\n{body}".encode())
        counted = 'aigc_http_requests_total{code="499",route="/v1/latents/walk"}'
        wait_until(lambda: counted in client.get("/metrics").text)


def test_metrics_tell_what_happened(client: httpx.Client) -> None:
    client.post(GENERATIONS, json={"model": "tiny", "prompt": "one", "n": 3})
    client.post(GENERATIONS, json={"model": "tiny", "prompt": "boat"})
    text = client.get("/metrics").text
    assert 'aigc_http_requests_total{code="200",route="/v1/images/generations"}' in text
    assert 'aigc_http_requests_total{code="400",route="/v1/images/generations"}' in text
    assert 'aigc_model_version{model="tiny",version="v1"} 1.0' in text
    assert "aigc_batch_images_bucket" in text
    assert "aigc_queue_images 0.0" in text
    assert 'aigc_degenerate_images_total{reason="blank"} 0.0' in text


def test_an_unfit_model_is_told_and_the_others_are_served(tmp_path: Path) -> None:
    models = Endpoint(tmp_path / "store")
    publish_bad(models.store, "bad")
    with models.running() as client:
        refused = client.post(GENERATIONS, json={"model": "bad", "prompt": "one"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "model_unhealthy")
        assert "not finite" in refused.json()["error"]["message"]
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        listed = {
            row["id"]: row.get("unhealthy") for row in client.get("/v1/models").json()["data"]
        }
        assert listed.pop("bad")["version"] == "bad@v1"
        assert listed == dict.fromkeys(("plain", "tiny", "vae"))
        assert client.get("/v1/models/bad").json()["unhealthy"]["version"] == "bad@v1"
        assert 'aigc_model_unhealthy{model="bad",version="v1"} 1.0' in client.get("/metrics").text
        good = client.post(GENERATIONS, json={"model": "tiny", "prompt": "one"})
        assert good.status_code == 200


def test_metrics_tell_what_haproxy_answered(models: Endpoint, tmp_path: Path) -> None:
    host = socket.gethostname()
    with behind_haproxy(models, tmp_path) as (outside, client):
        codes = [outside.get(path).status_code for path in ("/v1/models", "/nowhere")]
        refused = [outside.get("/v1/images/full").status_code for _ in range(3)]
        text = client.get("/metrics").text
    assert (codes, refused) == ([200, 404], [503] * 3)
    assert f'aigc_proxy_responses_total{{code="2xx",host="{host}"}} 1.0' in text
    assert f'aigc_proxy_responses_total{{code="5xx",host="{host}"}} 3.0' in text
    assert f'aigc_proxy_refusals_total{{host="{host}"}} 3.0' in text
    assert "aigc_model_version" in text


def test_no_haproxy_is_no_error(models: Endpoint) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = EndpointSettings(access_log=False, proxy_metrics_port=silent.getsockname()[1])
        with models.running(endpoint=settings, models=("tiny",)) as client:
            answer = client.get("/metrics", timeout=60)  # the port never answers
            assert "aigc_proxy" not in answer.text
