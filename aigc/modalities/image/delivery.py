"""`Delivery` of images."""

from __future__ import annotations


class ImageDelivery:
    """Pixels, uint8 (H, W, C)."""
