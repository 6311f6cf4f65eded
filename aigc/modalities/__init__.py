"""The kinds of content: what an item is, as files, in memory and to look at."""

from __future__ import annotations

import contextlib

from aigc.modalities.audio.modality import AUDIO
from aigc.modalities.base import Delivery, ItemType, Modality, Source
from aigc.modalities.image.modality import IMAGE
from aigc.modalities.learning import Learning

__all__ = ["MODALITIES", "Delivery", "ItemType", "Learning", "Modality", "Source", "modality_of"]

MODALITIES = {"image": IMAGE, "audio": AUDIO}


def modality_of(item: ItemType) -> Modality:
    """The kind of content that has such items. Raises ValueError when none has."""
    for modality in MODALITIES.values():
        with contextlib.suppress(ValueError):
            if modality.learning.sizes.of(item).item == item:
                return modality
    raise ValueError(f"no kind of content has items like {item}")
