"""The process that renders beside the one that answers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import math
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psutil
import pytest

from aigc.job.keys import SampleKeys
from aigc.service import render_requests
from aigc.service.render_process import RenderProcess
from aigc.service.service import Service
from aigc.service.settings import ServiceSettings
from aigc.specs.requests import Generation
from aigc.store import ModelStore
from tests.keys_for_tests import keys
from tests.waiting import wait_until


@contextlib.contextmanager
def running(store: ModelStore, **fields: Any) -> Iterator[Service]:
    settings = ServiceSettings(
        store=store.uri, micro_batch=32, poll_interval_s=60, render_process=True, **fields
    )
    service = Service(settings)
    service.start()
    yield service
    service.close()


@pytest.fixture(scope="module")
def beside(store: ModelStore) -> Iterator[Service]:
    with running(store) as service:
        yield service


@pytest.fixture
def mortal(store: ModelStore) -> Iterator[Service]:
    """One whose process may be killed."""
    with running(store, models=("tiny",)) as service:
        yield service


def files(service: Service, n: int, **fields: object) -> list[bytes]:
    async def made() -> list[bytes]:
        asked = Generation(model="tiny", n=n, labels=["one", "two"], seed=3, **fields)
        order = render_requests.generation(await service.model("tiny"), asked, service.settings, 3)
        return await service.batcher.enter(order.job).files()

    return asyncio.run(made())


def test_memory_counts_what_the_process_beside_holds(service: Service, beside: Service) -> None:
    alone, both = ({m.version.name: m for m in s.catalogue.loaded()} for s in (service, beside))
    for name, loaded in both.items():
        sampler = loaded.renderer.engine.size_bytes
        assert loaded.size_bytes == alone[name].size_bytes + sampler


def test_files_are_the_same_wherever_they_are_made(service: Service, beside: Service) -> None:
    assert all(loaded.remote is not None for loaded in beside.catalogue.loaded())
    for n, fields in ((1, {}), (7, {"output_format": "jpeg"}), (60, {"size": "24x8"})):
        assert files(beside, n, **fields) == files(service, n, **fields)


def draws(number: int) -> SampleKeys:
    return keys([number], np.zeros(1, np.int64))


@contextlib.contextmanager
def stopped(process: RenderProcess) -> Iterator[None]:
    process._process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process._process.send_signal(signal.SIGCONT)


def test_who_finds_it_busy_renders_where_he_is(beside: Service) -> None:
    loaded, process = beside.catalogue.loaded()[0], beside._process
    assert loaded.remote is not None and process is not None
    run = [(1, loaded.native)]
    with ThreadPoolExecutor() as pool:
        with stopped(process):
            first = pool.submit(loaded.remote.make, draws(1), run)
            wait_until(lambda: process._pending == 1)
            assert loaded.remote.make(draws(2), run) is None
            assert files(beside, 5)
        assert first.result(120) == loaded.renderer.make(draws(1), run)


def test_its_next_batches_wait_there_and_each_comes_to_who_asked(beside: Service) -> None:
    loaded, process = beside.catalogue.loaded()[0], beside._process
    assert loaded.remote is not None and process is not None
    make = functools.partial(loaded.remote.make, runs=[(1, loaded.native)], behind=math.inf)
    with ThreadPoolExecutor(24) as pool:
        with stopped(process):
            asked = [pool.submit(make, draws(number)) for number in range(24)]
            wait_until(lambda: process._pending == 24)
        for number, made in enumerate(asked):
            assert made.result(120) == loaded.renderer.make(draws(number), [(1, loaded.native)])


def test_who_waits_there_when_it_dies_renders_where_he_is(mortal: Service) -> None:
    loaded, process = mortal.catalogue.loaded()[0], mortal._process
    assert loaded.remote is not None and process is not None
    make = functools.partial(loaded.remote.make, runs=[(1, loaded.native)], behind=math.inf)
    with ThreadPoolExecutor() as pool, stopped(process):
        asked = [pool.submit(make, draws(number)) for number in range(3)]
        wait_until(lambda: process._pending == 3)
        process._process.send_signal(signal.SIGKILL)
        assert [made.result(120) for made in asked] == [None] * 3


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


def test_without_it_pictures_come_and_the_replica_is_replaced(mortal: Service) -> None:
    expected = files(mortal, 3)
    assert mortal.ready and mortal._process is not None
    mortal._process._process.send_signal(signal.SIGKILL)
    assert files(mortal, 3) == expected
    mortal._process._process.wait(120)
    assert files(mortal, 3) == expected
    assert not mortal.ready


def test_it_ends_with_who_began_it() -> None:
    process = RenderProcess(threads=1)
    child = psutil.Process(process._process.pid)
    process._pipe.close()
    child.wait(120)
