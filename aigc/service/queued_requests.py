"""Requests in the queue, and their slices of a batch."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from aigc.families.protocol import Points
from aigc.job.keys import SampleKeys
from aigc.modalities.delivery import ItemFormat
from aigc.service.loaded_model import LoadedModel

RenderSource = SampleKeys | Callable[[LoadedModel], Points]
"""Keys of the samples; or a function of the model, called by the render thread because it runs the
network."""


@dataclass(frozen=True)
class RenderJob:
    """`count` images of one model in one format."""

    model: LoadedModel
    source: RenderSource
    count: int
    format: ItemFormat
    kind: str = ""
    """Latent operation, which is never batched with other requests; empty for others."""
    extra: float = 0.0
    """Additional work, in the unit of `weight`, such as searching latents."""
    ids: tuple[str | None, ...] = ()
    """Of a latent operation: the ids of those of its images that are items; empty: of none."""

    @property
    def weight(self) -> float:
        return self.count * self.format.weight + self.extra


class QueuedRequest:
    """A request in the queue. Iterate over `parts` as they finish, or await `files`."""

    def __init__(self, job: RenderJob) -> None:
        self.job = job
        self.taken = 0
        self.entered = time.perf_counter()
        self.cancelled = False
        self.points: Points | None = None
        self.preparing = threading.Lock()
        """Held while `points` are computed."""
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()
        self._files: list[bytes | None] = [None] * job.count
        self._missing = job.count
        self._update: asyncio.Future[None] | None = None

    @property
    def left(self) -> int:
        return self.job.count - self.taken

    @property
    def weight_left(self) -> float:
        extra = 0.0 if self.taken else self.job.extra
        return self.left * self.job.format.weight + extra

    @property
    def key(self) -> tuple[int, int]:
        """Requests with equal keys may share a batch."""
        alone = 0 if isinstance(self.job.source, SampleKeys) else id(self)
        return id(self.job.model), alone

    async def files(self) -> list[bytes]:
        await self.done
        return cast("list[bytes]", self._files)

    async def parts(self) -> AsyncIterator[list[bytes]]:
        """The files in order, each part as soon as it and all parts before it are rendered."""
        sent = 0
        while sent < self.job.count:
            ready = self._from(sent)
            sent += len(ready)
            if ready:
                yield ready
                continue
            if self.done.done():
                self.done.result()
            self._update = self.loop.create_future()
            await self._update

    def _from(self, start: int) -> list[bytes]:
        """The files from number `start` up to the first missing one."""
        found: list[bytes] = []
        for file in self._files[start:]:
            if file is None:
                break
            found.append(file)
        return found

    def receive(self, start: int, files: list[bytes], error: Exception | None) -> None:
        """Store files from number `start` on, or fail with `error`. Called in `loop`."""
        self._files[start : start + len(files)] = files
        self._missing -= len(files)
        if not self.done.done():
            if error is not None:
                self.done.set_exception(error)
                self.done.exception()
            elif not self._missing:
                self.done.set_result(None)
        if self._update is not None and not self._update.done():
            self._update.set_result(None)


class BatchSlice(NamedTuple):
    """`rows` images of a request, from number `start` on."""

    request: QueuedRequest
    start: int
    rows: int

    @property
    def weight(self) -> float:
        extra = 0.0 if self.start else self.request.job.extra
        return self.rows * self.request.job.format.weight + extra


BATCH_WEIGHT = 256.0
"""Most weight of one batch, in small images; it limits the time of a batch of large ones."""
_FIRST_PART = 4
"""A batch reserves 1/4 of its rows for the longest-waiting request."""


def fair_slices(requests: Sequence[QueuedRequest], rows: int) -> list[BatchSlice]:
    """Fill a batch of up to `rows` rows from `requests`, which are in order of arrival.

    The smallest requests are served first and in full, ties in order of arrival, which minimises
    the mean latency. The first request, which has waited longest, always gets a quarter of the
    batch and at least one image, so that no request starves.
    """
    first = requests[0]
    item_weight = first.job.format.weight
    reserved = max(
        1, min(first.left, rows // _FIRST_PART, int(BATCH_WEIGHT / _FIRST_PART / item_weight))
    )
    rows -= reserved
    weight = BATCH_WEIGHT - min(reserved * item_weight, BATCH_WEIGHT / 2)
    slices: list[BatchSlice] = []
    for request in sorted(requests, key=lambda request: request.left):
        reserved_here, item_weight = reserved if request is first else 0, request.job.format.weight
        more = min(request.left - reserved_here, rows, int(max(0.0, weight) / item_weight))
        if reserved_here + more:
            slices.append(BatchSlice(request, request.taken, reserved_here + more))
            rows -= more
            weight -= more * item_weight
    return slices
