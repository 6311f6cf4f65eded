from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aigc.families.protocol import Points
from aigc.service import render_requests
from aigc.service.batcher import Batcher
from aigc.service.errors import OverloadedError
from aigc.service.loaded_model import LoadedModel
from aigc.service.queued_requests import QueuedRequest, RenderJob, fair_slices
from aigc.service.render_requests import RenderRequest
from aigc.service.service import Service
from aigc.service.settings import ServiceSettings
from aigc.specs.requests import Generation
from tests.service.points import one_point


def order(service: Service, n: int, seed: int = 1, **fields: Any) -> RenderRequest:
    loaded = service.catalogue.loaded()[-2]
    assert loaded.version.name == "tiny"
    asked = Generation(n=n, labels=["one", "two"], **fields)
    return render_requests.generation(loaded, asked, service.settings, seed)


def test_a_picture_is_the_same_in_any_company(service: Service) -> None:
    async def crowd() -> list[list[bytes]]:
        sizes = [1, 7, 64, 3, 1, 20]
        requests = [service.batcher.enter(order(service, n).job) for n in sizes]
        return [await request.files() for request in requests]

    async def alone() -> list[bytes]:
        return await service.batcher.enter(order(service, 64).job).files()

    expected = asyncio.run(alone())
    assert len(set(expected)) == 64
    for files in asyncio.run(crowd()):
        assert files == expected[: len(files)]


def test_formats_are_kept_apart(service: Service) -> None:
    async def mixed() -> list[list[bytes]]:
        wanted: list[dict[str, Any]] = [{"output_format": f} for f in ("png", "jpeg", "webp")] + [
            {"size": "8x8"}
        ]
        asked = [order(service, 5, **fields) for fields in wanted]
        requests = [service.batcher.enter(each.job) for each in asked]
        return [await request.files() for request in requests]

    png, jpeg, webp, small = asyncio.run(mixed())
    assert {file[:4] for file in png + small} == {b"\x89PNG"}
    assert {file[:2] for file in jpeg} == {b"\xff\xd8"}
    assert {file[8:12] for file in webp} == {b"WEBP"}
    assert {file[19] for file in small} == {8}
    assert {file[19] for file in png} == {16}


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ((64, 1, 64, 2), [29, 1, 0, 2]),
        ((16, 16, 16), [16, 16, 0]),
        ((64, 20, 20), [8, 20, 4]),
        ((64, *[1] * 40), [8, *[1] * 24, *[0] * 16]),
    ],
    ids=str,
)
def test_small_requests_get_all_and_large_ones_the_rest(
    service: Service, asked: tuple[int, ...], given: list[int]
) -> None:
    async def shares() -> list[int]:
        requests = [QueuedRequest(order(service, n).job) for n in asked]
        found = dict.fromkeys(range(len(asked)), 0)
        for share in fair_slices(requests, 32):
            found[requests.index(share.request)] = share.rows
        return list(found.values())

    assert asyncio.run(shares()) == given


def test_one_batch_of_large_pictures_is_short(service: Service) -> None:
    async def shares() -> list[int]:
        requests = [QueuedRequest(order(service, 8, size="1024x1024").job) for _ in range(3)]
        return [share.rows for share in fair_slices(requests, 32)]

    assert 0 < sum(asyncio.run(shares())) <= 4


def test_who_waits_longest_gets_something_of_each_batch(service: Service) -> None:
    """Clients that ask again as soon as they have their pictures, batch by batch."""

    def asked(size: int, n: int) -> QueuedRequest:
        return QueuedRequest(order(service, n, size=f"{size}x{size}").job)

    async def batches(large: tuple[int, int]) -> tuple[int, int]:
        """The most that a small request and a large one were part of the queue for."""
        kinds = {"small": (512, 1), "large": large}
        queue = [("small", asked(512, 1), 0) for _ in range(16)] + [("large", asked(*large), 0)]
        most = {"small": 0, "large": 0}
        for now in range(1, 60):
            for share in fair_slices([request for _, request, _ in queue], 32):
                share.request.taken += share.rows
            for kind, request, since in list(queue):
                most[kind] = max(most[kind], now - since)
                if not request.left:
                    queue.remove((kind, request, since))
                    queue.append((kind, asked(*kinds[kind]), now))
        return most["small"], most["large"]

    assert asyncio.run(batches((1024, 2))) == (2, 3)
    assert asyncio.run(batches((1024, 8))) == (2, 9)


def test_a_stream_comes_in_order_and_in_parts(service: Service) -> None:
    batcher = Batcher(ServiceSettings(micro_batch=8, render_threads=1))

    async def streamed() -> tuple[list[int], list[bytes]]:
        other = batcher.enter(order(service, 64, seed=2).job)
        request = batcher.enter(order(service, 60).job)
        parts = [files async for files in request.parts()]
        await other.files()
        return [len(files) for files in parts], [file for files in parts for file in files]

    sizes, files = asyncio.run(streamed())
    batcher.close()
    assert len(sizes) > 1
    assert files == asyncio.run(_files(service, 60))


@contextlib.asynccontextmanager
async def busy(batcher: Batcher, job: RenderJob) -> AsyncIterator[None]:
    """Inside, the only render thread of `batcher` is occupied, so the queue stands still."""
    freed = threading.Event()

    def blocking(loaded: LoadedModel) -> Points:
        freed.wait(60)
        return one_point(loaded)

    held = batcher.enter(RenderJob(job.model, blocking, 1, job.format, kind="blocked"))
    while held.left:
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        freed.set()
        await held.files()


def one_thread(**fields: Any) -> Batcher:
    return Batcher(ServiceSettings(**{"micro_batch": 32, "render_threads": 1} | fields))


def test_what_nobody_waits_for_is_not_made(service: Service) -> None:
    batcher, job = one_thread(max_wait_s=600), order(service, 64).job

    async def left() -> None:
        async with busy(batcher, job):
            requests = [batcher.enter(job) for _ in range(20)]
            for request in requests[1:]:
                batcher.leave(request)
        await requests[0].files()

    asyncio.run(left())
    batcher.close()
    assert batcher.stats.images == 1 + 64
    assert (batcher.stats.cancelled, batcher.stats.queued) == (19, 0)


def test_a_full_queue_refuses_at_once(service: Service) -> None:
    batcher, job = one_thread(max_queued_images=100, max_wait_s=600), order(service, 40).job

    async def crowd() -> list[float]:
        waits = []
        async with busy(batcher, job):
            requests = [batcher.enter(job) for _ in range(2)]
            for _ in range(8):
                with pytest.raises(OverloadedError) as refused:
                    batcher.enter(job)
                waits.append(refused.value.retry_after_s)
        for request in requests:
            await request.files()
        return waits

    waits = asyncio.run(crowd())
    batcher.close()
    assert batcher.stats.refused == 8
    assert all(0 < wait < 60 for wait in waits)


def test_who_would_wait_too_long_is_refused(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher, job = one_thread(max_wait_s=0.05), order(service, 64).job
    monkeypatch.setattr(job.model, "seconds_per_item", 0.001)

    async def crowd() -> None:
        async with busy(batcher, job):
            request = batcher.enter(job)
            with pytest.raises(OverloadedError) as refused:
                batcher.enter(job)
            assert 0.1 <= refused.value.retry_after_s <= 0.15
        await request.files()

    asyncio.run(crowd())
    batcher.close()


def test_a_failing_request_harms_no_other(service: Service) -> None:
    good = order(service, 3).job

    def broken(loaded: LoadedModel) -> None:
        raise ValueError("not this one")

    async def both() -> list[bytes]:
        bad = RenderJob(good.model, broken, 2, good.format)  # type: ignore[arg-type]
        requests = [service.batcher.enter(job) for job in (bad, good)]
        with pytest.raises(ValueError, match="not this one"):
            await requests[0].files()
        with pytest.raises(ValueError, match="not this one"):
            _ = [files async for files in requests[0].parts()]
        return await requests[1].files()

    assert asyncio.run(both()) == asyncio.run(_files(service, 3))
    assert service.batcher.alive


async def _files(service: Service, n: int) -> list[bytes]:
    return await service.batcher.enter(order(service, n).job).files()


def test_a_queue_that_stands_is_kept_short(service: Service) -> None:
    """A burst may fill it up to the longest wait; a crowd that stays may not."""
    now, freed = [0.0], threading.Event()
    settings = ServiceSettings(max_wait_s=1.0, micro_batch=32, render_threads=1)
    batcher = Batcher(settings, clock=lambda: now[0])
    job = order(service, 32).job
    seconds_per_item, job.model.seconds_per_item = job.model.seconds_per_item, 0.001

    def blocking(loaded: LoadedModel) -> Points:
        freed.wait(30)
        return one_point(loaded)

    def room() -> list[QueuedRequest]:
        requests = []
        with pytest.raises(OverloadedError):
            while True:
                requests.append(batcher.enter(job))
        return requests

    async def crowd() -> tuple[int, int]:
        held = batcher.enter(RenderJob(job.model, blocking, 1, job.format))
        while held.left:
            await asyncio.sleep(0.01)
        burst = room()
        for request in burst[1:]:
            batcher.leave(request)
        now[0] += 0.3
        stands = room()
        for request in stands + burst[:1]:
            batcher.leave(request)
        assert len(room()) == len(burst), "an empty queue is no crowd"
        return len(burst), len(stands) + 1

    try:
        burst, stands = asyncio.run(crowd())
    finally:
        freed.set()
        job.model.seconds_per_item = seconds_per_item
        batcher.close()
    assert burst == 32
    assert stands == 4


def test_a_batch_that_never_ends_is_noticed(service: Service) -> None:
    now, freed = [0.0], threading.Event()
    batcher = Batcher(ServiceSettings(micro_batch=32, max_batch_s=300), clock=lambda: now[0])
    job = order(service, 1).job

    def blocking(loaded: LoadedModel) -> Points:
        freed.wait(30)
        return one_point(loaded)

    async def stuck() -> list[bool]:
        held = batcher.enter(RenderJob(job.model, blocking, 1, job.format))
        while held.left:
            await asyncio.sleep(0.01)
        found = []
        for later in (0, 299, 2):
            now[0] += later
            found.append(batcher.alive)
        freed.set()
        await held.files()
        return [*found, batcher.alive]

    try:
        assert asyncio.run(stuck()) == [True, True, False, True]
        now[0] += 10_000
        assert batcher.alive, "who has nothing to do is not stuck"
    finally:
        freed.set()
        batcher.close()


def test_a_whole_batch_does_not_wait_for_the_one_being_made(service: Service) -> None:
    """A few pictures do: they will be made with others."""
    freed = threading.Event()
    batcher = Batcher(ServiceSettings(micro_batch=32))
    few, many = order(service, 8).job, order(service, 56, seed=2).job

    def blocking(loaded: LoadedModel) -> Points:
        freed.wait(30)
        return one_point(loaded)

    async def crowd() -> tuple[list[bytes], list[bytes]]:
        held = batcher.enter(RenderJob(few.model, blocking, 1, few.format))
        while held.left:
            await asyncio.sleep(0.01)
        waiting = batcher.enter(few)
        await asyncio.sleep(0.1)  # time to go wrong: to start a batch of eight
        files = await batcher.enter(many).files()
        assert not held.done.done()
        freed.set()
        await held.files()
        return await waiting.files(), files

    try:
        found = asyncio.run(asyncio.wait_for(crowd(), 30))
    finally:
        freed.set()
        batcher.close()
    assert batcher.stats.rows == {1: 1, 32: 2}, "the eight were rendered with others"
    again = Batcher(ServiceSettings(micro_batch=32, render_threads=1))

    async def in_turn() -> tuple[list[bytes], list[bytes]]:
        requests = [again.enter(job) for job in (few, many)]
        return await requests[0].files(), await requests[1].files()

    assert found == asyncio.run(in_turn())
    again.close()
