"""`Delivery` of sounds."""

from __future__ import annotations


class AudioDelivery:
    """Samples, int16 (T, C)."""
