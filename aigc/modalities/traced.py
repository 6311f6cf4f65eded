"""How items are found again in files of anybody: the part of a modality that tracing asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aigc.modalities.item import Items
from aigc.provenance.looks import PerceptualHashes
from aigc.provenance.trace import FindMarks
from aigc.provenance.watermark.protocol import Watermark


class Traced(Protocol):
    """Perceptual hashes and watermarks of items and of files."""

    @property
    def media_types(self) -> frozenset[str]:
        """Of the files that are read."""

    def hashes(self, items: Items) -> PerceptualHashes:
        """Of items (N, *shape), each by itself."""

    def hash_file(self, file: bytes) -> PerceptualHashes:
        """Of one file, N = 1. Raises ValueError where it cannot be read."""

    def finder(self, watermarks: Sequence[Watermark]) -> FindMarks:
        """Tries each of `watermarks` on a file; finds none in a file that cannot be read."""
