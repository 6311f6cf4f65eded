"""The ids of the images of a request, and what is put into them before they are encoded."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from aigc.families.protocol import Points
from aigc.job.identity import item_ids
from aigc.job.keys import SampleKeys
from aigc.provenance.overlay import Overlay
from aigc.provenance.profiles import Wording
from aigc.provenance.watermark import open_watermark
from aigc.provenance.watermark.checked import CheckedWatermark
from aigc.provenance.watermark.keys import key_from

_POINT_DIGITS = 24


@dataclass(frozen=True)
class Stamps:
    """Of one served model. It can be sent to a render process, which has the same environment."""

    model_digest: str
    wording: Wording | None = None
    watermark: str | None = None
    """Name of the method."""

    def __reduce__(self) -> tuple[type[Stamps], tuple[object, ...]]:
        """Without `mark`, which a render process opens itself."""
        return Stamps, (self.model_digest, self.wording, self.watermark)

    @functools.cached_property
    def mark(self) -> CheckedWatermark | None:
        """The method with the key of this process's environment, read once.

        Raises SpecError where the method cannot be opened.
        """
        if self.watermark is None:
            return None
        return open_watermark(self.watermark, key_from(os.environ))

    def ids(self, source: SampleKeys | Points, known: Sequence[str | None] = ()) -> list[str]:
        """Of the rows of `source`: of items as in sets, of others what follows from their latent
        points; `known` are ids of latent points that are items, none or (N,)."""
        if isinstance(source, SampleKeys):
            return item_ids(self.model_digest, source)
        begin, names = self.model_digest[:12], known or [None] * len(source)
        rows = (slice(at, at + 1) for at in range(len(source)))
        return [
            name or f"{begin}-{_digest(source[row])}" for name, row in zip(names, rows, strict=True)
        ]

    def overlay(self, source: SampleKeys | Points, known: Sequence[str | None] = ()) -> Overlay:
        """For the rows of `source`. Raises SpecError where the method cannot be opened."""
        if self.mark is None:
            return Overlay(self.wording)
        return Overlay(self.wording, self.mark).of(self.ids(source, known))


def _digest(point: Points) -> str:
    parts = (point.vectors, *(() if point.context is None else (point.context,)))
    data = b"".join(part.cpu().numpy().tobytes() for part in parts)
    return hashlib.sha256(data).hexdigest()[:_POINT_DIGITS]
