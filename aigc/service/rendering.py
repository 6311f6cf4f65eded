"""Renders a batch: rows of several requests in one forward pass, encoded to files."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

import numpy as np

from aigc.families.protocol import Points
from aigc.job.keys import SampleKeys, joined
from aigc.service.errors import ContentRefusedError
from aigc.service.loaded_model import LoadedModel
from aigc.service.queued_requests import BatchSlice
from aigc.service.renderer import Rendered, Run

Outcome = tuple[list[bytes], ContentRefusedError | None]
"""The files of a slice, or why it has none."""


def render(
    batch: Sequence[BatchSlice], inline_lock: threading.Lock
) -> tuple[list[Outcome], Counter[str]]:
    """Render `batch` and return the outcome of each slice and the degenerate items by reason.

    Renders in the render process if it is idle; else in this process, one batch at a time under
    `inline_lock`; else in the render process after its current batch. Files are marked and signed
    in this thread. Raises CredentialsError if signing fails.
    """
    model = batch[0].request.job.model
    source = _join(model, batch)
    runs = [(part.rows, part.request.job.format) for part in batch]
    known = [name for part in batch for name in part.request.job.ids[part.start :][: part.rows]]
    rendered = _render(model, source, runs, known, inline_lock)
    codecs = [wanted.codec for rows, wanted in runs for _ in range(rows)]
    files = model.origin.finish(rendered.files, codecs, rendered.ids)
    ends = np.cumsum([part.rows for part in batch]).tolist()
    spans = [(end - part.rows, end) for end, part in zip(ends, batch, strict=True)]
    return [_outcome(rendered, files, *span) for span in spans], rendered.degenerate


def _outcome(rendered: Rendered, files: list[bytes], start: int, stop: int) -> Outcome:
    count = sum(start <= row < stop for row in rendered.unsafe)
    if not count:
        return files[start:stop], None
    which = "the item is" if stop - start == 1 else f"{count} of {stop - start} items are"
    others = "ask for another seed, index or label"
    return [], ContentRefusedError(
        f"the safety gate refuses every attempt: {which} unsafe; {others}"
    )


def _render(
    model: LoadedModel,
    source: SampleKeys | Points,
    runs: Sequence[Run],
    known: Sequence[str | None],
    inline_lock: threading.Lock,
) -> Rendered:
    process = model.remote
    if process is None or not isinstance(source, SampleKeys):
        return model.renderer.make(source, runs, known)
    if rendered := process.make(source, runs):
        return rendered
    if inline_lock.acquire(blocking=False):
        try:
            return model.renderer.make(source, runs)
        finally:
            inline_lock.release()
    return process.make(source, runs, behind=1) or model.renderer.make(source, runs)


def _join(model: LoadedModel, batch: Sequence[BatchSlice]) -> SampleKeys | Points:
    """The rows of all slices, concatenated."""
    if len(batch) == 1:
        return _rows(model, batch[0])
    parts = (_rows(model, each) for each in batch)
    return joined([part for part in parts if isinstance(part, SampleKeys)])


def _rows(model: LoadedModel, part: BatchSlice) -> SampleKeys | Points:
    request, rows = part.request, slice(part.start, part.start + part.rows)
    source = request.job.source
    if isinstance(source, SampleKeys):
        return source if part.rows == request.job.count else source[rows]
    with request.preparing:
        if request.points is None:
            request.points = source(model)
    return request.points[rows]
