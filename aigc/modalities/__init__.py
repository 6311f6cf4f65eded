"""The kinds of content: what an item is, as files, in memory and to look at."""

from __future__ import annotations

from aigc.modalities.base import Delivery, Ingestion, ItemType, Learning, Modality
from aigc.modalities.image.modality import IMAGE

__all__ = ["MODALITIES", "Delivery", "Ingestion", "ItemType", "Learning", "Modality"]

MODALITIES = {"image": IMAGE}
