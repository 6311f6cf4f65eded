"""A batch to files: rows of several requests in one pass, one format encoded at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aigc.generation.draws import Draws
from aigc.service.loaded import Loaded
from aigc.service.renderer import Latents
from aigc.service.tickets import Share


def render(batch: Sequence[Share]) -> list[list[bytes]]:
    """The files of each share. Pictures of one format are encoded together."""
    model = batch[0].ticket.work.model
    pixels = model.renderer.pixels(_joined(model, batch))
    ends = np.cumsum([share.rows for share in batch]).tolist()
    formats = [share.ticket.work.format for share in batch]
    if len(set(formats)) == 1:
        files = model.renderer.files(pixels, formats[0])
        return [files[end - share.rows : end] for end, share in zip(ends, batch, strict=True)]
    made: list[list[bytes]] = [[]] * len(batch)
    for wanted in dict.fromkeys(formats):
        places = [at for at, found in enumerate(formats) if found == wanted]
        rows = np.concatenate([np.arange(ends[at] - batch[at].rows, ends[at]) for at in places])
        encoded = iter(model.renderer.files(pixels[rows], wanted))
        for at in places:
            made[at] = [next(encoded) for _ in range(batch[at].rows)]
    return made


def _joined(model: Loaded, batch: Sequence[Share]) -> Draws | Latents:
    """The rows of all shares, one after the other."""
    if len(batch) == 1:
        return _rows(model, batch[0])
    parts = [part for part in (_rows(model, each) for each in batch) if isinstance(part, Draws)]
    labels = [part.labels for part in parts if part.labels is not None]
    return Draws(
        np.concatenate([part.seeds for part in parts]),
        np.concatenate([part.candidates for part in parts]),
        np.concatenate(labels) if labels else None,
        np.concatenate([part.truncations for part in parts]),
    )


def _rows(model: Loaded, share: Share) -> Draws | Latents:
    ticket, rows = share.ticket, slice(share.start, share.start + share.rows)
    source = ticket.work.source
    if isinstance(source, Draws):
        return source if share.rows == ticket.work.count else source[rows]
    with ticket.preparing:
        if ticket.latents is None:
            ticket.latents = source(model)
    label = ticket.latents.label
    return Latents(ticket.latents.z[rows], None if label is None else label[rows])
