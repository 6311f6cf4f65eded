"""Sounds: int16 (T, C) samples, as in 16-bit WAV files."""
