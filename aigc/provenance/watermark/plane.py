"""A picture's luminance as its watermark is read from it: reduced, whitened, projected on waves.

Lengths are relative to a tile as wide as the picture's shorter side, so that the watermark does not
depend on the number of pixels. What a picture shows is far stronger than the watermark; whitening
divides by its strength, first around each place, then around each frequency.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from aigc.provenance.watermark.codes import waves
from aigc.provenance.watermark.protocol import Picture

GRID = 128
"""Samples along the shorter side of the plane; smaller pictures keep their pixels."""
DETAIL, AREA = 2.0, 2.0
"""Standard deviations of Gaussian windows, in samples of `GRID`: of the blur that is taken away,
and of the surroundings whose strength is divided by."""
QUIET = 1.0
"""Grey levels (0..255) of detail that count as nothing."""
LIMIT = 2.0
"""Values of the whitened plane are squeezed below it."""
SPECTRAL_AREA, SPECTRAL_FLOOR, SPECTRAL_POWER = 3.0, 0.1, 1.25
"""Of the second whitening: its window in cycles per tile, the share of the largest amplitude that
is added, and the power of it that is divided by (1 would make the spectrum flat)."""
FASTEST = 0.49
"""Cycles per pixel above which a picture holds nothing of use."""
_LUMA = np.array([0.299, 0.587, 0.114])

Plane = npt.NDArray[Any]
"""float64 or float32 (rows, columns)."""


def luminance(picture: Picture, dtype: npt.DTypeLike = np.float32) -> Plane:
    """(H, W) grey levels."""
    values = picture.astype(dtype)
    grey: Plane = values[..., 0] if picture.shape[2] == 1 else values @ _LUMA.astype(dtype)
    return grey


def reduced(grey: Plane) -> Plane:
    """(rows, columns), the shorter side at most `GRID`."""
    short = min(grey.shape)
    if short <= GRID:
        return grey
    down, across = (
        _area(side, max(1, round(side * GRID / short)), grey.dtype.str) for side in grey.shape
    )
    small: Plane = down @ grey @ across.T
    return small


def halved(grey: Plane) -> Plane:
    """At half the size."""
    down, across = (_area(side, side // 2, grey.dtype.str) for side in grey.shape)
    small: Plane = down @ grey @ across.T
    return small


def detail(grey: Plane) -> tuple[Plane, Plane]:
    """What is left without the blur, and its strength around each place."""
    unit = min(grey.shape) / GRID
    blurs = [_gauss(side, DETAIL * unit, grey.dtype.str) for side in grey.shape]
    left = grey - blurs[0] @ grey @ blurs[1].T
    around = [_gauss(side, AREA * unit, grey.dtype.str) for side in grey.shape]
    power = around[0] @ np.square(left) @ around[1].T
    return left, np.sqrt(power + QUIET**2)


def limited(left: Plane, strength: Plane) -> Plane:
    """The first whitening."""
    ratio = left / strength
    squeezed: Plane = ratio / np.sqrt(1 + np.square(ratio / LIMIT))
    return squeezed


def flattened(plane: Plane, pixels: int) -> Plane:
    """The second whitening, of a picture whose shorter side has `pixels`."""
    spectrum = np.fft.rfft2(plane)
    weights = _spectral_weights(np.abs(spectrum), plane.shape, min(pixels, GRID))
    flat: Plane = np.fft.irfft2(spectrum * weights, plane.shape).astype(plane.dtype)
    return flat


def strengths(plane: Plane) -> Plane:
    """Mean amplitude around each frequency, (rows, columns // 2 + 1), as of a plane of unit
    values."""
    found: Plane = _smooth(np.abs(np.fft.rfft2(plane)), plane.shape) / np.sqrt(plane.size)
    return found


def whitened(grey: Plane) -> Plane:
    """Both, of a whole picture's luminance."""
    plane = limited(*detail(reduced(grey)))
    return flattened(plane, min(grey.shape))


def projected(plane: Plane, kept: float = 1.0) -> npt.NDArray[Any]:
    """Complex amplitudes (2 top + 1, top + 1) of the waves down and across, if the picture's
    shorter side is `kept` of a tile."""
    tile, count = min(plane.shape) / kept, waves().top + 1
    down, across = (_sines(side, tile, count, plane.dtype.str) for side in plane.shape)
    blocks = (down @ (plane @ across.T)).reshape(2, count, 2, count)
    (cos_cos, cos_sin), (sin_cos, sin_sin) = (blocks[at].swapaxes(0, 1) for at in (0, 1))
    upper = (cos_cos - sin_sin) + 1j * (cos_sin + sin_cos)
    lower = (cos_cos + sin_sin) + 1j * (cos_sin - sin_cos)
    found: npt.NDArray[Any] = np.concatenate([lower[:0:-1], upper])
    return found


def amplitudes(
    found: npt.NDArray[Any], down: float = 0.0, across: float = 0.0
) -> npt.NDArray[np.float64]:
    """Those of the code, (8192,), if the picture begins at that part of a tile."""
    carry = waves()
    chosen = found[carry.down + carry.top, carry.across]
    turns = 2 * np.pi * (carry.down * down + carry.across * across)
    turned = chosen * np.exp(1j * turns) if down or across else chosen
    return np.concatenate([turned.real, turned.imag]).astype(np.float64)


def pattern(code: npt.NDArray[np.float64], height: int, width: int) -> npt.NDArray[np.float64]:
    """The sum of all waves with those amplitudes, (height, width)."""
    carry, short = waves(), min(height, width)
    half = len(code) // 2
    spectrum = np.zeros((2 * carry.top + 1, carry.top + 1), np.complex128)
    spectrum[carry.down + carry.top, carry.across] = code[:half] - 1j * code[half:]
    upper, lower = spectrum[carry.top :], spectrum[carry.top :: -1].copy()
    lower[0] = 0
    even, odd = upper + lower, upper - lower
    blocks = np.block([[even.real, -even.imag], [-odd.imag, -odd.real]])
    count = carry.top + 1
    down, across = (_sines(side, short, count, "<f8") for side in (height, width))
    shown: npt.NDArray[np.float64] = down.T @ blocks @ across
    return shown


@functools.lru_cache(maxsize=256)
def _sines(length: int, tile: float, count: int, dtype: str) -> Plane:
    """(2 count, length): cosines of 2 pi k n / tile, k from 0, then sines."""
    turns = np.outer(np.arange(count), (np.arange(length) + 0.5) / tile) * (2 * np.pi)
    return np.concatenate([np.cos(turns), np.sin(turns)]).astype(dtype)


def _spectral_weights(magnitude: Plane, shape: tuple[int, ...], pixels: int) -> Plane:
    mean = _smooth(magnitude, shape)
    band = _band(shape[0], shape[1], pixels)
    floor = SPECTRAL_FLOOR * float((mean * band).max()) or 1.0
    weights: Plane = band / (mean + floor) ** SPECTRAL_POWER
    return weights


def _smooth(magnitude: Plane, shape: tuple[int, ...]) -> Plane:
    """Root of the mean power around each frequency."""
    rows, columns = shape
    power = np.square(magnitude)
    unit = SPECTRAL_AREA / min(shape)
    down, across = _around(rows, unit * rows), _around(columns, unit * columns)
    half = columns // 2 + 1
    mirrored = np.roll(power[::-1], 1, axis=0)[:, 1 : columns - half + 1][:, ::-1]
    whole = np.concatenate([power, mirrored], axis=1)
    smooth: Plane = np.sqrt(np.maximum(down @ whole @ across[:half].T, 0))
    return smooth


@functools.lru_cache(maxsize=32)
def _band(rows: int, columns: int, pixels: int) -> Plane:
    """Where the code's waves are: 1, else 0."""
    short = min(rows, columns)
    down = np.fft.fftfreq(rows)[:, None] * short
    across = np.fft.rfftfreq(columns)[None] * short
    cycles = np.hypot(down, across)
    fastest = np.maximum(np.abs(down), np.abs(across))
    inside = (cycles >= 3) & (cycles <= waves().top + 2) & (fastest <= FASTEST * pixels)
    band: Plane = inside.astype(np.float64)
    return band


@functools.lru_cache(maxsize=32)
def _around(length: int, deviation: float) -> Plane:
    """(length, length) Gaussian windows that wrap around."""
    apart = np.abs(np.subtract.outer(np.arange(length), np.arange(length)))
    apart = np.minimum(apart, length - apart)
    weights = np.exp(-0.5 * np.square(apart / deviation))
    weights[weights < 1e-9] = 0
    window: Plane = weights / weights.sum(axis=1, keepdims=True)
    return window


@functools.lru_cache(maxsize=32)
def _gauss(length: int, deviation: float, dtype: str) -> Plane:
    """(length, length) Gaussian windows that end at the edges."""
    apart = np.subtract.outer(np.arange(length), np.arange(length))
    weights = np.exp(-0.5 * np.square(apart / deviation))
    weights[weights < 1e-9] = 0  # numbers near the smallest ones are slow
    window: Plane = (weights / weights.sum(axis=1, keepdims=True)).astype(dtype)
    return window


@functools.lru_cache(maxsize=32)
def _area(length: int, cells: int, dtype: str) -> Plane:
    """(cells, length) matrix that averages over equal stretches, edges shared."""
    edges = np.linspace(0, length, cells + 1)
    low = np.maximum.outer(edges[:-1], np.arange(length))
    high = np.minimum.outer(edges[1:], np.arange(1, length + 1))
    weights: Plane = (np.clip(high - low, 0, None) * (cells / length)).astype(dtype)
    return weights
