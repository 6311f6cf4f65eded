"""A real endpoint on a loopback port, in a thread of the test's process."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp

from aigc.endpoint.app import create_app
from aigc.endpoint.settings import EndpointSettings
from aigc.service.service import Service
from aigc.service.settings import ServiceSettings
from aigc.store import ModelStore
from tests.haproxy_for_tests import HEAD, free_port, haproxy
from tests.models_for_tests import publish_tiny, publish_tiny_vae


@contextlib.contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """The URL of `app` under uvicorn, which is stopped at the end."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    config = uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    assert server.started, "the application did not start"
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


class Endpoint:
    """An application over a store of its own: models tiny (GAN), plain (without labels), vae."""

    def __init__(self, store: Path) -> None:
        self.store = ModelStore(str(store))
        publish_tiny("tiny", store=self.store)
        publish_tiny("plain", store=self.store, labels=())
        publish_tiny_vae("vae", store=self.store)

    def service(self, **options: object) -> Service:
        settings = {"store": self.store.uri, "micro_batch": 32, "poll_interval_s": 0.2} | options
        return Service(ServiceSettings(**settings))  # type: ignore[arg-type]

    @contextlib.contextmanager
    def running(self, *, endpoint: EndpointSettings | None = None, **options: object):
        service = self.service(**options)
        app = create_app(service, endpoint or EndpointSettings(access_log=False))
        with serving(app) as url, httpx.Client(base_url=url, timeout=120) as client:
            client.service = service  # type: ignore[attr-defined]
            yield client


@contextlib.contextmanager
def behind_haproxy(models: Endpoint, folder: Path) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Clients of HAProxy, which refuses /v1/images/full, and of the endpoint behind it."""
    port, told = free_port(), free_port()
    settings = EndpointSettings(access_log=False, proxy_metrics_port=told)
    with models.running(endpoint=settings) as client:
        config = f"""{HEAD}
frontend prometheus
    bind 127.0.0.1:{told}
    http-request use-service prometheus-exporter if {{ path /metrics }}
frontend http_frontend
    bind 127.0.0.1:{port}
    http-request return status 503 if {{ path /v1/images/full }}
    default_backend http-aigc
backend http-aigc
    server one {client.base_url.host}:{client.base_url.port}
"""
        url = f"http://127.0.0.1:{port}"
        with haproxy(config, folder, port), httpx.Client(base_url=url, timeout=30) as outside:
            yield outside, client


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Endpoint:
    return Endpoint(tmp_path_factory.mktemp("endpoint") / "store")


@pytest.fixture(scope="session")
def client(models: Endpoint) -> Iterator[httpx.Client]:
    with models.running() as client:
        yield client
