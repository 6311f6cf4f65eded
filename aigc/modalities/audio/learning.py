"""`Learning` of sounds."""

from __future__ import annotations


class AudioLearning:
    """Samples, int16 (T, C)."""
