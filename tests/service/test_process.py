"""The process that renders beside the one that answers."""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from collections.abc import Iterator

import numpy as np
import psutil
import pytest

from aigc.generation.draws import Draws
from aigc.service import orders
from aigc.service.bodies import Generation
from aigc.service.process import RenderProcess
from aigc.service.service import Service
from aigc.service.settings import ServiceSettings
from aigc.store import ModelStore


@pytest.fixture(scope="module")
def beside(store: ModelStore) -> Iterator[Service]:
    settings = ServiceSettings(store=store.uri, micro_batch=32, watch_s=60, separate=True)
    service = Service(settings)
    service.start()
    yield service
    service.close()


def files(service: Service, n: int, **fields: object) -> list[bytes]:
    async def made() -> list[bytes]:
        asked = Generation(model="tiny", n=n, labels=["one", "two"], seed=3, **fields)  # type: ignore[arg-type]
        order = orders.generation(await service.model("tiny"), asked, service.settings, 3)
        return await service.batcher.enter(order.work).files()

    return asyncio.run(made())


def test_files_are_the_same_wherever_they_are_made(service: Service, beside: Service) -> None:
    assert all(loaded.beside is not None for loaded in beside.catalogue.loaded())
    for n, fields in ((1, {}), (7, {"output_format": "jpeg"}), (60, {"size": "24x8"})):
        assert files(beside, n, **fields) == files(service, n, **fields)


def test_who_finds_it_busy_renders_where_he_is(beside: Service) -> None:
    held = beside.catalogue.loaded()[0].beside
    assert held is not None and beside._process is not None
    draws = Draws(np.zeros(1, np.uint64), np.arange(1), np.zeros(1, np.int64), np.full(1, np.inf))
    with beside._process._lock:
        assert held.make(draws, []) is None
        assert files(beside, 5)


def test_a_model_goes_when_nobody_holds_it(store: ModelStore, beside: Service) -> None:
    process = beside._process
    assert process is not None
    loaded = beside.catalogue.loaded()[0]
    tensors = store.load(loaded.version)
    held = process.hold(loaded.renderer, tensors)
    key = held.key
    del held
    gc.collect()
    assert list(process._dropped) == [key]
    assert files(beside, 2)
    assert not process._dropped


def test_without_it_pictures_come_and_the_replica_is_replaced(store: ModelStore) -> None:
    settings = ServiceSettings(
        models=("tiny",), store=store.uri, micro_batch=32, watch_s=60, separate=True
    )
    service = Service(settings)
    service.start()
    expected = files(service, 3)
    assert service.ready and service._process is not None
    service._process._process.send_signal(signal.SIGKILL)
    assert files(service, 3) == expected
    service._process._process.wait(10)
    assert files(service, 3) == expected
    assert not service.ready
    service.close()


def test_it_ends_with_who_began_it() -> None:
    process = RenderProcess(threads=1)
    child = psutil.Process(process._process.pid)
    process._pipe.close()
    started = time.monotonic()
    child.wait(60)
    assert time.monotonic() - started < 60
