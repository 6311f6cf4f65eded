"""`Source` of images."""

from __future__ import annotations


class ImageSource:
    """Pixels, uint8 (H, W, C)."""
