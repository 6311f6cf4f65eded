"""Images as they are found again."""

from __future__ import annotations

from collections.abc import Sequence

from aigc.modalities.image import marks, perceptual
from aigc.modalities.item import Items
from aigc.provenance.looks import PerceptualHashes
from aigc.provenance.trace import FindMarks
from aigc.provenance.watermark.protocol import Watermark


class ImageTraced:
    """uint8 (H, W, C)."""

    media_types = frozenset(("image/png", "image/jpeg", "image/webp"))

    def hashes(self, items: Items) -> PerceptualHashes:
        return perceptual.hashes(items)

    def hash_file(self, file: bytes) -> PerceptualHashes:
        return perceptual.hash_file(file)

    def finder(self, watermarks: Sequence[Watermark]) -> FindMarks:
        return marks.finder(watermarks)
