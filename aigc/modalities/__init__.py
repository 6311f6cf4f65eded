"""The kinds of content: what an item is, as files, in memory and to look at."""

from __future__ import annotations

from aigc.modalities.audio.modality import AUDIO
from aigc.modalities.base import Delivery, ItemType, Learning, Modality, Source
from aigc.modalities.image.modality import IMAGE

__all__ = ["MODALITIES", "Delivery", "ItemType", "Learning", "Modality", "Source"]

MODALITIES = {"image": IMAGE, "audio": AUDIO}
