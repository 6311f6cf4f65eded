"""The service of a replica: the catalogue of models and the request queue."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import Awaitable, Callable, Iterator

import torch

from aigc.errors import listed
from aigc.service import bodies, latent_operations, render_requests
from aigc.service.batcher import Batcher
from aigc.service.catalogue import Catalogue
from aigc.service.errors import BadRequestError, OverloadedError
from aigc.service.loaded_model import LoadedModel
from aigc.service.queued_requests import QueuedRequest
from aigc.service.render_process import RenderProcess
from aigc.service.render_requests import RenderRequest
from aigc.service.settings import ServiceSettings
from aigc.specs.requests import Generation
from aigc.types import Notice, no_notice

_READ_AT_A_TIME = 2
"""Uploads decoded concurrently; each may take 100 MB of memory."""
_WAIT_TO_BE_READ = 8
"""Uploads waiting to be decoded; each holds up to the largest upload in memory."""
_SWITCH_S = 0.0005
"""Interpreter switch interval. With Python's 5 ms a render thread would wait that long for the busy
event loop after each operation that releases the lock."""


class Service:
    """Call `start` before the first request and `close` after the last."""

    def __init__(self, settings: ServiceSettings, notice: Notice = no_notice) -> None:
        self.settings = settings
        self.catalogue = Catalogue(settings, notice)
        self._batcher: Batcher | None = None
        self._process: RenderProcess | None = None
        self._reading, self._readers = asyncio.Semaphore(_READ_AT_A_TIME), 0

    def start(self) -> None:
        """Load and warm up. Raises StoreError, StorageError, UnhealthyModelError."""
        if self._batcher is not None:
            return
        sys.setswitchinterval(min(_SWITCH_S, sys.getswitchinterval()))
        torch.set_num_threads(self.settings.threads)
        if self.settings.has_render_process:
            self._process = RenderProcess(self.settings.threads)
        self.catalogue.start(self._process)
        self._batcher = Batcher(self.settings)
        gc.collect()
        gc.freeze()  # long-lived objects; collecting them stalls requests by 0.1 s

    def close(self) -> None:
        """Finish queued requests and end the threads."""
        self.catalogue.close()
        if self._batcher is not None:
            self._batcher.close()
        if self._process is not None:
            self._process.close()

    @property
    def ready(self) -> bool:
        """False also if the render process died: such a replica is slow and is replaced."""
        whole = self._process is None or self._process.alive
        return whole and self._batcher is not None and self._batcher.alive

    @property
    def batcher(self) -> Batcher:
        assert self._batcher is not None, "start() first"
        return self._batcher

    async def model(self, ref: str | None) -> LoadedModel:
        """The model of `ref`; without one, the only model that is served.

        Raises:
            NotFoundError, BadRequestError, UnhealthyModelError.
        """
        if ref is None:
            offers = self.catalogue.offers()
            if len(offers) != 1:
                names = listed([offer.name for offer in offers])
                raise BadRequestError(f"model: name one of {names}", param="model")
            ref = offers[0].name
        return await self.catalogue.get(ref)

    async def generation(self, asked: Generation, repeatable: bytes | None = None) -> RenderRequest:
        """Without a seed in the request it is derived from `repeatable`, else random."""
        seed = render_requests.draw_seed(repeatable) if asked.seed is None else asked.seed
        return render_requests.generation(await self.model(asked.model), asked, self.settings, seed)

    async def variations(
        self,
        asked: bodies.Variation,
        read: Callable[[], Awaitable[bytes]],
        admit: Callable[[RenderRequest], Awaitable[None]] | None = None,
        repeatable: bytes | None = None,
    ) -> RenderRequest:
        """`read` returns the uploaded file; it is called after `admit` has accepted the request.
        Without a seed in the request it is derived from `repeatable`, else random.

        Raises:
            OverloadedError: too many uploads are waiting to be decoded.
        """
        loaded = await self.model(asked.model)
        seed = render_requests.draw_seed(repeatable) if asked.seed is None else asked.seed
        render = latent_operations.variations(loaded, asked, self.settings, seed)
        with self._place_to_read():
            if admit is not None:
                await admit(render)
            async with self._reading:
                file = await read()
                picture = await asyncio.to_thread(
                    latent_operations.read_picture, file, loaded, self.settings
                )
        return latent_operations.near(render, picture)

    @contextlib.contextmanager
    def _place_to_read(self) -> Iterator[None]:
        if self._readers >= _READ_AT_A_TIME + _WAIT_TO_BE_READ:
            raise OverloadedError(
                "too many uploaded images are being decoded; try again in 1 s",
                retry_after_s=1,
                code="overloaded",
            )
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1

    async def walk(self, asked: bodies.Walk) -> RenderRequest:
        return latent_operations.walk(await self.model(asked.model), asked, self.settings)

    @contextlib.contextmanager
    def queued(self, render: RenderRequest) -> Iterator[QueuedRequest]:
        """Queue a request; on exit, remove it if it is not rendered yet.

        Raises:
            OverloadedError: the queue is full.
        """
        queued = self.batcher.enter(render.job)
        try:
            yield queued
        finally:
            self.batcher.leave(queued)
