"""Rows of many requests in one forward pass, in one process.

Requests enter from an event loop; threads of their own, the lanes, render and encode. A batch takes
what waits for one model: the small requests first, so sixty-four pictures do not hold up one, and
some of who has waited longest. Further lanes open where a whole batch waits beside the one being
made, or the rest of a request; what is less can be made with what comes next, at less cost. What a
client that has gone was waiting for is not made.
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

_STANDS, _SHORTER = 4, 8
"""A queue that was not empty for a quarter of the longest wait is kept at an eighth of it."""

Result = tuple[BatchSlice, list[bytes], Exception | None]


@dataclass
class BatcherStats:
    """Counts since the start, and sizes as they are now; for metrics."""

    images: int = 0
    batches: int = 0
    cancelled: int = 0
    refused: int = 0
    rows: Counter[int] = field(default_factory=Counter)
    """Batches by the rows they had."""
    degenerate: Counter[str] = field(default_factory=Counter)
    """Pictures that the gate of bulk jobs would refuse, by reason."""
    queued: float = 0.0
    busy_s: float = 0.0


class Batcher:
    def __init__(
        self, settings: ServiceSettings, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """`clock` gives seconds, to tell a burst from a crowd."""
        self._settings, self._clock = settings, clock
        self.seen = BatcherStats()
        self._queue: list[QueuedRequest] = []
        lock = threading.Lock()
        self._more, self._plenty = threading.Condition(lock), threading.Condition(lock)
        self._waiting = self._closed = self._begun = False
        self._at_work = 0
        self._since: dict[int, float] = {}
        """When each lane that renders began to, by its thread."""
        self._last_key: object = None
        self._crowded = False
        self._empty_at = clock()
        self._here = threading.Lock()
        """Held by the lane that renders in this process, where another one does as well."""
        takes = [
            self._next,
            *[self._next_beside] * (settings.render_threads - 1 + settings.has_render_process),
        ]
        self._render_threads = [
            threading.Thread(target=self._run, args=(take,), name="render", daemon=True)
            for take in takes
        ]
        for thread in self._render_threads:
            thread.start()

    def enter(self, work: RenderJob) -> QueuedRequest:
        """A place in the queue. To be called in an event loop.

        Raises:
            OverloadedError: too much is waiting already.
        """
        ticket = QueuedRequest(work)
        with self._more:
            self.require_capacity(work)
            if not self._queue:
                self._empty_at = self._clock()
            self._queue.append(ticket)
            self.seen.queued += work.weight
            if self._waiting:
                self._more.notify()
            if self._is_plenty():
                self._plenty.notify()
        return ticket

    def leave(self, ticket: QueuedRequest) -> None:
        """Nobody waits for `ticket` any more."""
        if not ticket.left:
            return
        with self._more:
            if ticket.cancelled or not ticket.left:
                return
            ticket.cancelled = True
            self.seen.cancelled += 1
            self.seen.queued -= ticket.weight_left
            self._queue = [other for other in self._queue if other is not ticket]

    def close(self) -> None:
        """Finish what is queued, then stop."""
        with self._more:
            self._closed = True
            self._more.notify_all()
            self._plenty.notify_all()
        for thread in self._render_threads:
            thread.join()

    @property
    def alive(self) -> bool:
        """Whether what waits is made: no lane has ended, or stays with what it has."""
        began = min(list(self._since.values()), default=math.inf)
        moves = self._clock() - began <= self._settings.max_batch_s
        return (
            moves and all(thread.is_alive() for thread in self._render_threads) and not self._closed
        )

    def wait_s(self) -> float:
        """How long a request entering now would wait, about."""
        weights: dict[LoadedModel, float] = {}
        for ticket in self._queue:
            weights[ticket.work.model] = weights.get(ticket.work.model, 0.0) + ticket.weight_left
        return sum(model.seconds_per_item * weight for model, weight in weights.items())

    def require_capacity(self, work: RenderJob | None = None) -> None:
        """For anything, where the work is not known yet. Raises OverloadedError."""
        if not self._queue and not self._closed:
            return
        weight = work.weight if work else 1.0
        full = self.seen.queued + weight > self._settings.max_queued_images
        wait_s = work.model.seconds_per_item * self.seen.queued if work else self.wait_s()
        bearable_s = self._bearable_s()
        if not (full or self._closed) and wait_s > bearable_s:
            wait_s = self.wait_s()
        if full or self._closed or wait_s > bearable_s:
            self.seen.refused += 1
            retry_after_s = max(0.1, wait_s) * random.uniform(1.0, 1.5)
            raise OverloadedError(
                f"too many requests are waiting; try again in {math.ceil(retry_after_s)} s",
                retry_after_s=retry_after_s,
                code="overloaded",
            )

    def _bearable_s(self) -> float:
        """The longest wait. A burst passes; a queue that stands serves nobody and is kept short.

        Nichols and Jacobson, Controlling Queue Delay, 2012; Maurer, Fail at Scale, 2015.
        """
        longest_s = self._settings.max_wait_s
        stands = self._clock() - self._empty_at > longest_s / _STANDS
        return longest_s / _SHORTER if stands else longest_s

    def _run(self, take: Callable[[], list[BatchSlice] | None]) -> None:
        torch.set_num_threads(self._settings.threads)
        while (batch := take()) is not None:
            if batch:
                self._serve(batch)
            with self._more:
                self._at_work -= 1

    def _next_beside(self) -> list[BatchSlice] | None:
        with self._plenty:
            while not self._is_plenty():
                if self._closed:
                    return None
                self._plenty.wait()
            return self._pick()

    def _is_plenty(self) -> bool:
        """Whether a whole batch waits, or what a batch had no room for of a request."""
        return self._begun or self.seen.queued >= min(self._settings.micro_batch, BATCH_WEIGHT)

    def _next(self) -> list[BatchSlice] | None:
        with self._more:
            while not self._queue:
                if self._closed:
                    return None
                self._crowded = False
                self._wait(None)
            self._await_more()
            batch = self._pick()
            self._crowded = len(batch) > 1
            return batch

    def _await_more(self) -> None:
        """Where several ask at a time the others' next requests are on their way."""
        if not self._crowded or self._closed:
            return
        until = time.perf_counter() + self._settings.max_batch_delay_s
        while sum(t.left for t in self._queue) < self._settings.micro_batch:
            left_s = until - time.perf_counter()
            if left_s <= 0 or self._closed:
                return
            self._wait(left_s)

    def _wait(self, timeout_s: float | None) -> None:
        self._waiting = True
        self._more.wait(timeout_s)
        self._waiting = False

    def _pick(self) -> list[BatchSlice]:
        """The next batch, taken out of the queue; models take turns."""
        self._at_work += 1
        if not self._queue:
            self._begun = False
            return []
        others = (ticket for ticket in self._queue if ticket.key != self._last_key)
        self._last_key = next(others, self._queue[0]).key
        rows = self._settings.micro_batch
        alike = [ticket for ticket in self._queue if ticket.key == self._last_key][:rows]
        batch = fair_slices(alike, rows)
        for share in batch:
            share.ticket.taken += share.rows
            self.seen.queued -= share.weight
        self._queue = [ticket for ticket in self._queue if ticket.left]
        self._begun = any(ticket.taken for ticket in self._queue)
        if self._is_plenty():
            self._plenty.notify()
        return batch

    def _serve(self, batch: list[BatchSlice]) -> None:
        """Render a batch; when that fails, each request alone, for one may be to blame."""
        started, thread = time.perf_counter(), threading.get_ident()
        self._since[thread] = self._clock()
        try:
            files, degenerate = render(batch, self._here)
        except Exception as error:
            if len(batch) > 1:
                for share in batch:
                    self._serve([share])
            else:
                self.leave(batch[0].ticket)
                self._deliver([(batch[0], [], error)])
            return
        finally:
            self._since.pop(thread, None)
        with self._more:
            self._observe(batch, time.perf_counter() - started)
            self.seen.degenerate.update(degenerate)
        self._deliver([(share, made, None) for share, made in zip(batch, files, strict=True)])

    def _observe(self, batch: list[BatchSlice], took_s: float) -> None:
        rows, weight = sum(share.rows for share in batch), sum(share.weight for share in batch)
        first, each_s = batch[0], took_s / self._at_work
        work = first.ticket.work
        if not work.kind:
            work.model.note_speed(rows, weight, each_s)
        elif not first.start:
            work.model.note_extra(work.kind, weight - work.extra, each_s)
        self.seen.images += rows
        self.seen.batches += 1
        self.seen.rows[rows] += 1
        self.seen.busy_s += took_s

    def _deliver(self, results: list[Result]) -> None:
        for loop in {share.ticket.loop for share, _, _ in results}:
            mine = [result for result in results if result[0].ticket.loop is loop]
            if not loop.is_closed():
                loop.call_soon_threadsafe(_receive_all, mine)


def _receive_all(results: list[Result]) -> None:
    for share, files, error in results:
        share.ticket.receive(share.start, files, error)
