"""The picture of a sound by which sounds are compared: a spectrogram of 32 bands and 64 times.

A band is the mean power of the bins between two edges, which stand in equal ratios from the first
bin to half the rate. Levels are decibels of a sine at full scale: -80 and below is 0, 0 dB is 255,
so a level is 0.31 dB. Equal sounds in other files, rates and codecs differ by few levels.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

BANDS, TIMES = 32, 64
_RANGE_DB = 80.0
_WINDOWS = (256, 4096)
_LEAST_POWER = 1e-20

Planes = npt.NDArray[np.float64]
"""(N, BANDS, TIMES), whole numbers in 0..255."""
Levels = npt.NDArray[np.uint8]
"""The same as uint8."""


def planes(sounds: npt.NDArray[np.int16]) -> Planes:
    """Of int16 (N, T, C), each by itself, so that its neighbours cannot change it."""
    found = np.empty((len(sounds), BANDS, TIMES), np.float64)
    for at, sound in enumerate(sounds):
        found[at] = _plane(sound)
    return found


def distances(left: Levels, right: Levels) -> npt.NDArray[np.float64]:
    """(N,) root mean squared differences of pairs of levels, over the cells where one of both is
    not silent: no less than over all cells."""
    ours, theirs = (levels.reshape(len(levels), -1) for levels in (left, right))
    difference = ours.astype(np.int32) - theirs
    squares = np.einsum("ij,ij->i", difference, difference)
    sounding = np.count_nonzero(ours | theirs, axis=1)
    root: npt.NDArray[np.float64] = np.sqrt(squares / sounding.clip(1))
    return root


def _plane(sound: npt.NDArray[np.int16]) -> Planes:
    """(BANDS, TIMES) of int16 (T, C): the mean power of the channels."""
    window = _window(len(sound))
    padded = np.pad(sound.astype(np.float64) / 32768, ((window // 2, window), (0, 0)))
    starts = np.linspace(0, len(sound), TIMES, endpoint=False).astype(np.int64)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window, axis=0)[starts]
    waves = np.fft.rfft(frames * np.hanning(window), axis=-1)
    power = (waves.real**2 + waves.imag**2).mean(axis=1) / (np.hanning(window).sum() / 2) ** 2
    # Without BLAS, whose threads cost more than so small a product and whose sums vary with them.
    in_bands = np.einsum("tb,kb->kt", power, _bands(window))
    decibels = 10 * np.log10(np.maximum(in_bands, _LEAST_POWER))
    levels: Planes = np.rint((decibels / _RANGE_DB + 1).clip(0, 1) * 255)
    return levels


def _window(samples: int) -> int:
    """A power of two that covers two steps in time."""
    low, high = _WINDOWS
    wide = 1 << (2 * samples // TIMES).bit_length()
    return max(low, min(high, wide))


@functools.cache
def _bands(window: int) -> Planes:
    """(BANDS, bins): each row sums to 1."""
    bins = window // 2 + 1
    edges = np.geomspace(0.5, bins - 0.5, BANDS + 1)
    low = np.maximum.outer(edges[:-1], np.arange(bins) - 0.5)
    high = np.minimum.outer(edges[1:], np.arange(bins) + 0.5)
    weights: Planes = np.clip(high - low, 0, None) / np.diff(edges)[:, None]
    return weights
