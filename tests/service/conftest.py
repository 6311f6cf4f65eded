"""A service over a store of its own; requests are made by coroutines."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aigc.service.service import Service
from aigc.service.settings import ServiceSettings
from aigc.store import ModelStore
from tests.models_for_tests import publish_tiny, publish_tiny_vae


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    store = ModelStore(str(tmp_path_factory.mktemp("service") / "store"))
    publish_tiny("tiny", store=store)
    publish_tiny("plain", store=store, labels=())
    publish_tiny_vae("vae", store=store)
    return store


@pytest.fixture(scope="session")
def service(store: ModelStore) -> Iterator[Service]:
    settings = ServiceSettings(store=store.uri, micro_batch=32, poll_interval_s=60, max_wait_s=600)
    service = Service(settings)  # a slow machine must not refuse a request
    service.start()
    yield service
    service.close()
