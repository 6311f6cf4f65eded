"""Items as a model makes them → files as they are delivered, in bulk and behind the endpoint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aigc.job.keys import Ints
from aigc.modalities.base import Delivery, Items
from aigc.modalities.delivery import Form, ItemFormat
from aigc.provenance.overlay import Overlay

AT_ONCE_BYTES = 16 * 2**20
"""Items in delivered size brought into shape at a time. Results wait for each other, one an
encoding thread, and are copied on their way to a file: some 256 MiB in all."""


def to_files_each(
    delivery: Delivery,
    items: Items,
    form: Form,
    formats: Sequence[ItemFormat],
    of: Ints,
    overlay: Overlay | None = None,
) -> list[bytes]:
    """As `to_files`, row i in `formats[of[i]]`; `of` is (N,). One format is encoded at a time."""
    if len(formats) == 1:
        return to_files(delivery, items, form, formats[0], overlay)
    files = [b""] * len(items)
    for number in np.unique(of).tolist():
        rows = np.flatnonzero(of == number)
        own = overlay and overlay.rows(rows.tolist())
        found = to_files(delivery, items[rows], form, formats[number], own)
        for row, file in zip(rows.tolist(), found, strict=True):
            files[row] = file
    return files


def to_files(
    delivery: Delivery,
    items: Items,
    form: Form,
    wanted: ItemFormat,
    overlay: Overlay | None = None,
) -> list[bytes]:
    """(N, *shape) brought into shape, with what `overlay` puts into them, and encoded.

    A bounded number of bytes is worked on at a time, however many items there are.
    """
    step = max(1, AT_ONCE_BYTES // delivery.delivered(form, wanted).size_bytes)
    files: list[bytes] = []
    for start in range(0, len(items), step):
        part = items[start : start + step]
        own = overlay and overlay.rows(range(start, start + len(part)))
        files += delivery.encode(part, form, wanted, own)
    return files
