"""The request queue of a replica: rows of many requests are rendered in one forward pass.

Requests enter from an event loop; render threads take batches, render and encode them. A batch
holds requests for one model: small requests first, so that a request for 64 images does not delay
one for a single image, and a part of the longest-waiting request. Additional render threads start
when a full batch is waiting, or the rest of a partly rendered request; smaller remainders are
cheaper to render together with the next requests. Requests of disconnected clients are dropped.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from aigc.service.errors import OverloadedError
from aigc.service.loaded_model import LoadedModel
from aigc.service.queued_requests import (
    BATCH_WEIGHT,
    BatchSlice,
    QueuedRequest,
    RenderJob,
    fair_slices,
)
from aigc.service.rendering import render
from aigc.service.settings import ServiceSettings

_STANDING_PART, _STANDING_REDUCTION = 4, 8
"""A queue that has been non-empty for a quarter of `max_wait_s` is limited to an eighth of it."""

Result = tuple[BatchSlice, list[bytes], Exception | None]


@dataclass
class BatcherStats:
    """Counters since the start and current sizes, for metrics."""

    images: int = 0
    batches: int = 0
    cancelled: int = 0
    refused: int = 0
    rows: Counter[int] = field(default_factory=Counter)
    """Number of batches by their rows."""
    degenerate: Counter[str] = field(default_factory=Counter)
    """Images that the degenerate gate of bulk jobs would refuse, by reason."""
    queued: float = 0.0
    busy_s: float = 0.0


class Batcher:
    def __init__(
        self, settings: ServiceSettings, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """`clock` returns seconds; it measures for how long the queue has been non-empty."""
        self._settings, self._clock = settings, clock
        self.stats = BatcherStats()
        self._queue: list[QueuedRequest] = []
        lock = threading.Lock()
        self._arrived, self._full_batch = threading.Condition(lock), threading.Condition(lock)
        self._waiting = self._closed = self._has_partial = False
        self._active_threads = 0
        self._started_at: dict[int, float] = {}
        """Start of the current batch of each busy render thread, by thread id."""
        self._last_key: object = None
        self._concurrent = False
        self._nonempty_since = clock()
        self._inline_lock = threading.Lock()
        """Held by the thread that renders in this process while a render process exists."""
        sources = [
            self._next,
            *[self._next_full_batch] * (settings.render_threads - 1 + settings.has_render_process),
        ]
        self._render_threads = [
            threading.Thread(target=self._run, args=(next_batch,), name="render", daemon=True)
            for next_batch in sources
        ]
        for thread in self._render_threads:
            thread.start()

    def enter(self, job: RenderJob) -> QueuedRequest:
        """Add a request to the queue. Must be called in an event loop.

        Raises:
            OverloadedError: the queue is full, or the wait would be too long.
        """
        request = QueuedRequest(job)
        with self._arrived:
            self.require_capacity(job)
            if not self._queue:
                self._nonempty_since = self._clock()
            self._queue.append(request)
            self.stats.queued += job.weight
            if self._waiting:
                self._arrived.notify()
            if self._is_full_batch_waiting():
                self._full_batch.notify()
        return request

    def leave(self, request: QueuedRequest) -> None:
        """Remove `request` from the queue, if it is still there: its client is gone."""
        if not request.left:
            return
        with self._arrived:
            if request.cancelled or not request.left:
                return
            request.cancelled = True
            self.stats.cancelled += 1
            self.stats.queued -= request.weight_left
            self._queue = [other for other in self._queue if other is not request]

    def close(self) -> None:
        """Finish the queued requests, then stop."""
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()
            self._full_batch.notify_all()
        for thread in self._render_threads:
            thread.join()

    @property
    def alive(self) -> bool:
        """Whether the queue is served: no render thread has ended or is stuck in a batch."""
        began = min(list(self._started_at.values()), default=math.inf)
        is_progressing = self._clock() - began <= self._settings.max_batch_s
        return (
            is_progressing
            and all(thread.is_alive() for thread in self._render_threads)
            and not self._closed
        )

    def wait_s(self) -> float:
        """Estimated wait in seconds of a request that enters now."""
        weights: dict[LoadedModel, float] = {}
        for request in self._queue:
            weights[request.job.model] = weights.get(request.job.model, 0.0) + request.weight_left
        return sum(model.seconds_per_item * weight for model, weight in weights.items())

    def require_capacity(self, job: RenderJob | None = None) -> None:
        """Raises OverloadedError if `job` (None: the smallest request) would be refused."""
        if not self._queue and not self._closed:
            return
        weight = job.weight if job else 1.0
        full = self.stats.queued + weight > self._settings.max_queued_images
        wait_s = job.model.seconds_per_item * self.stats.queued if job else self.wait_s()
        max_wait_s = self._max_wait_s()
        if not (full or self._closed) and wait_s > max_wait_s:
            wait_s = self.wait_s()
        if full or self._closed or wait_s > max_wait_s:
            self.stats.refused += 1
            retry_after_s = max(0.1, wait_s) * random.uniform(1.0, 1.5)
            raise OverloadedError(
                f"too many requests are waiting; try again in {math.ceil(retry_after_s)} s",
                retry_after_s=retry_after_s,
                code="overloaded",
            )

    def _max_wait_s(self) -> float:
        """The present limit of the wait. It is lowered when the queue stays non-empty: a short
        burst drains by itself, a standing queue only adds latency.

        Nichols and Jacobson, Controlling Queue Delay, 2012; Maurer, Fail at Scale, 2015.
        """
        limit_s = self._settings.max_wait_s
        is_standing = self._clock() - self._nonempty_since > limit_s / _STANDING_PART
        return limit_s / _STANDING_REDUCTION if is_standing else limit_s

    def _run(self, next_batch: Callable[[], list[BatchSlice] | None]) -> None:
        torch.set_num_threads(self._settings.threads)
        while (batch := next_batch()) is not None:
            if batch:
                self._serve(batch)
            with self._arrived:
                self._active_threads -= 1

    def _next_full_batch(self) -> list[BatchSlice] | None:
        with self._full_batch:
            while not self._is_full_batch_waiting():
                if self._closed:
                    return None
                self._full_batch.wait()
            return self._pick()

    def _is_full_batch_waiting(self) -> bool:
        """Whether a full batch is waiting, or the rest of a partly rendered request."""
        return self._has_partial or self.stats.queued >= min(
            self._settings.micro_batch, BATCH_WEIGHT
        )

    def _next(self) -> list[BatchSlice] | None:
        with self._arrived:
            while not self._queue:
                if self._closed:
                    return None
                self._concurrent = False
                self._wait(None)
            self._await_more()
            batch = self._pick()
            self._concurrent = len(batch) > 1
            return batch

    def _await_more(self) -> None:
        """Wait up to `max_batch_delay_s` for more requests, if the last batch held several."""
        if not self._concurrent or self._closed:
            return
        until = time.perf_counter() + self._settings.max_batch_delay_s
        while sum(t.left for t in self._queue) < self._settings.micro_batch:
            left_s = until - time.perf_counter()
            if left_s <= 0 or self._closed:
                return
            self._wait(left_s)

    def _wait(self, timeout_s: float | None) -> None:
        self._waiting = True
        self._arrived.wait(timeout_s)
        self._waiting = False

    def _pick(self) -> list[BatchSlice]:
        """Take the next batch out of the queue; models alternate."""
        self._active_threads += 1
        if not self._queue:
            self._has_partial = False
            return []
        others = (request for request in self._queue if request.key != self._last_key)
        self._last_key = next(others, self._queue[0]).key
        rows = self._settings.micro_batch
        compatible = [request for request in self._queue if request.key == self._last_key][:rows]
        batch = fair_slices(compatible, rows)
        for part in batch:
            part.request.taken += part.rows
            self.stats.queued -= part.weight
        self._queue = [request for request in self._queue if request.left]
        self._has_partial = any(request.taken for request in self._queue)
        if self._is_full_batch_waiting():
            self._full_batch.notify()
        return batch

    def _serve(self, batch: list[BatchSlice]) -> None:
        """Render a batch; if that fails, each request alone, since one may be the cause."""
        started, thread = time.perf_counter(), threading.get_ident()
        self._started_at[thread] = self._clock()
        try:
            outcomes, degenerate = render(batch, self._inline_lock)
        except Exception as error:
            if len(batch) > 1:
                for part in batch:
                    self._serve([part])
            else:
                self.leave(batch[0].request)
                self._deliver([(batch[0], [], error)])
            return
        finally:
            self._started_at.pop(thread, None)
        with self._arrived:
            self._observe(batch, time.perf_counter() - started)
            self.stats.degenerate.update(degenerate)
        results: list[Result] = []
        for part, (files, refusal) in zip(batch, outcomes, strict=True):
            if refusal is not None:
                self.leave(part.request)
            results.append((part, files, refusal))
        self._deliver(results)

    def _observe(self, batch: list[BatchSlice], took_s: float) -> None:
        rows, weight = sum(part.rows for part in batch), sum(part.weight for part in batch)
        first, each_s = batch[0], took_s / self._active_threads
        job = first.request.job
        if not job.kind:
            job.model.note_speed(rows, weight, each_s)
        elif not first.start:
            job.model.note_extra(job.kind, weight - job.extra, each_s)
        self.stats.images += rows
        self.stats.batches += 1
        self.stats.rows[rows] += 1
        self.stats.busy_s += took_s

    def _deliver(self, results: list[Result]) -> None:
        for loop in {part.request.loop for part, _, _ in results}:
            own = [result for result in results if result[0].request.loop is loop]
            if not loop.is_closed():
                loop.call_soon_threadsafe(_receive_all, own)


def _receive_all(results: list[Result]) -> None:
    for part, files, error in results:
        part.request.receive(part.start, files, error)
