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
from aigc.modalities.base import Items
from aigc.provenance.overlay import Overlay
from aigc.provenance.profiles import Wording
from aigc.provenance.watermark import open_watermark
from aigc.provenance.watermark.checked import CheckedWatermark
from aigc.provenance.watermark.keys import key_from

_DIGITS = 24


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

    def ids(
        self, source: SampleKeys | Points, items: Items, known: Sequence[str | None] = ()
    ) -> list[str]:
        """Of the rows of `source`: of items as in sets, of others what follows from `items`
        (N, *shape), what was made of them; `known` are ids of latent points that are items, none or
        (N,). Processors round latent points differently, and what is made of them hardly ever."""
        if isinstance(source, SampleKeys):
            return item_ids(self.model_digest, source)
        begin, names = self.model_digest[:12], known or [None] * len(source)
        rows = zip(names, items, strict=True)
        return [name or f"{begin}-{_digest(item)}" for name, item in rows]

    def overlay(self, ids: Sequence[str]) -> Overlay:
        """For items `ids` (N,). Raises SpecError where the method cannot be opened."""
        if self.mark is None:
            return Overlay(self.wording)
        return Overlay(self.wording, self.mark).of(ids)


def _digest(item: Items) -> str:
    return hashlib.sha256(item.tobytes()).hexdigest()[:_DIGITS]
