"""`Ingestion` of images."""

from __future__ import annotations


class ImageIngestion:
    """Pixels, uint8 (H, W, C)."""
