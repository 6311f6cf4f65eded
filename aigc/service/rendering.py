"""A batch to files: rows of several requests in one pass."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

import numpy as np

from aigc.job.keys import SampleKeys
from aigc.service.loaded_model import LoadedModel
from aigc.service.queued_requests import BatchSlice
from aigc.service.renderer import Latents, Rendered, Run


def render(
    batch: Sequence[BatchSlice], here: threading.Lock
) -> tuple[list[list[bytes]], Counter[str]]:
    """The files of each share, and how many of all pictures are degenerate, by reason.

    They are made in the process beside this one if it is idle; else here, one batch at a time
    behind `here`; else there, behind the one under way.
    """
    model = batch[0].ticket.work.model
    source = _joined(model, batch)
    runs = [(share.rows, share.ticket.work.format) for share in batch]
    made = _made(model, source, runs, here)
    ends = np.cumsum([share.rows for share in batch]).tolist()
    files = [made.files[end - share.rows : end] for end, share in zip(ends, batch, strict=True)]
    return files, made.degenerate


def _made(
    model: LoadedModel, source: SampleKeys | Latents, runs: Sequence[Run], here: threading.Lock
) -> Rendered:
    beside = model.remote
    if beside is None or not isinstance(source, SampleKeys):
        return model.renderer.make(source, runs)
    if made := beside.make(source, runs):
        return made
    if here.acquire(blocking=False):
        try:
            return model.renderer.make(source, runs)
        finally:
            here.release()
    return beside.make(source, runs, behind=1) or model.renderer.make(source, runs)


def _joined(model: LoadedModel, batch: Sequence[BatchSlice]) -> SampleKeys | Latents:
    """The rows of all shares, one after the other."""
    if len(batch) == 1:
        return _rows(model, batch[0])
    parts = [
        part for part in (_rows(model, each) for each in batch) if isinstance(part, SampleKeys)
    ]
    labels = [part.labels for part in parts if part.labels is not None]
    return SampleKeys(
        np.concatenate([part.seeds for part in parts]),
        np.concatenate([part.candidates for part in parts]),
        np.concatenate(labels) if labels else None,
        np.concatenate([part.truncations for part in parts]),
    )


def _rows(model: LoadedModel, share: BatchSlice) -> SampleKeys | Latents:
    ticket, rows = share.ticket, slice(share.start, share.start + share.rows)
    source = ticket.work.source
    if isinstance(source, SampleKeys):
        return source if share.rows == ticket.work.count else source[rows]
    with ticket.preparing:
        if ticket.latents is None:
            ticket.latents = source(model)
    label = ticket.latents.label
    return Latents(ticket.latents.z[rows], None if label is None else label[rows])
