"""What `dataset.json` states of the items of a data set: when it is prepared, and when some of its
items are gone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from aigc.types import Json


class Updated(Protocol):
    """A hash of `hashlib`."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


def begun_digest(labels: tuple[str, ...], identity: Sequence[object]) -> Updated:
    """Of a data set, to be updated with the row of each item. `identity` is what its modality says
    of the spec."""
    return hashlib.sha256(repr((labels, *identity)).encode())


def digest_row(side: int, id: str, label: int, content: bytes, notes: bytes | None) -> bytes:
    """Of an item in split `side`: `content` and `notes` are digests."""
    return f"{side}\0{id}\0{label}\0".encode() + content + (notes or b"")


def per_class(labels: npt.NDArray[np.int64], named: tuple[str, ...]) -> dict[str, int]:
    """How many of `labels` (N,) there are of each class."""
    found = np.bincount(labels, minlength=len(named))
    return {name: int(count) for name, count in zip(named, found, strict=False)}


def statistics(totals: Sequence[int], count: int, full_scale: float) -> Json:
    """Mean and standard deviation per channel over the full scale, of `count` values each; `totals`
    are the channels' sums, then those of squares, exact."""
    channels = len(totals) // 2
    mean = [value / count for value in totals[:channels]]
    spread = [v / count - m**2 for v, m in zip(totals[channels:], mean, strict=True)]
    return {
        "mean": [round(value / full_scale, 6) for value in mean],
        "std": [round(max(value, 0) ** 0.5 / full_scale, 6) for value in spread],
    }
