"""What JPEG leaves of a picture's luminance, as far as a watermark's strength depends on it."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from aigc.provenance.watermark.codes import Double

_STEPS = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
"""ITU-T T.81, table K.1: quantization steps of luminance at quality 50."""


def compressed(grey: Double, quality: int) -> Double:
    """`grey`, levels in 0..255 (rows, columns), after quantization by blocks; rows and columns
    beyond the last whole block stay."""
    rows, columns = (side // 8 * 8 for side in grey.shape)
    waves, steps = _cosines(), _steps(quality)
    blocks = grey[:rows, :columns].reshape(rows // 8, 8, columns // 8, 8).swapaxes(1, 2) - 128
    kept = np.rint(waves @ blocks @ waves.T / steps) * steps
    shown = (waves.T @ kept @ waves + 128).swapaxes(1, 2).reshape(rows, columns)
    result = grey.copy()
    result[:rows, :columns] = np.rint(shown).clip(0, 255)
    return result


@functools.cache
def _steps(quality: int) -> npt.NDArray[np.int64]:
    """As libjpeg scales them."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return ((_STEPS * scale + 50) // 100).clip(1, 255)


@functools.cache
def _cosines() -> Double:
    """The orthonormal DCT of eight values."""
    wave, at = np.mgrid[0:8, 0:8]
    scale = np.where(wave == 0, 1 / 8, 2 / 8) ** 0.5
    rows: Double = np.cos(np.pi * wave * (2 * at + 1) / 16) * scale
    return rows
