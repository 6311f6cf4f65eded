"""`Learning` of images."""

from __future__ import annotations


class ImageLearning:
    """Pixels, uint8 (H, W, C)."""
