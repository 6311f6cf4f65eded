"""Sounds to look at: the wave of each above its spectrogram, many on one sheet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from aigc.modalities import image as images
from aigc.modalities.audio.plane import BANDS, planes

_WIDTH, _WAVE = 128, 33
_HEIGHT = _WAVE + 2 * BANDS
_INK, _PAPER = (31, 78, 121), (255, 255, 255)
_COLOURS = ((8, 8, 40), (90, 20, 110), (210, 60, 60), (250, 160, 40), (255, 250, 200))
"""From silence to full scale."""


def sheet(
    sounds: npt.NDArray[np.int16], columns: int, captions: Sequence[str] | None = None
) -> bytes:
    """A PNG of int16 (N, T, C), row by row; `captions`, one a row, on the left."""
    cells = np.stack(
        [_cell(sound, plane) for sound, plane in zip(sounds, planes(sounds), strict=True)]
    )
    return images.contact_sheet(cells, columns, captions, cell=_HEIGHT)


def cell(sound: npt.NDArray[np.int16]) -> npt.NDArray[np.uint8]:
    """One sound, int16 (T, C), as uint8 (H, W, 3)."""
    return _cell(sound, planes(sound[None])[0])


def _cell(sound: npt.NDArray[np.int16], plane: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """uint8 (_HEIGHT, _WIDTH, 3); white where there is no sound."""
    cell = np.full((_HEIGHT, _WIDTH, 3), _PAPER, np.uint8)
    if not sound.any():
        return cell
    cell[:_WAVE][_wave(sound)] = _INK
    stops = np.linspace(0, 255, len(_COLOURS))
    levels = plane[::-1].repeat(2, axis=0).repeat(_WIDTH // plane.shape[1], axis=1)
    for channel in range(3):
        values = [colour[channel] for colour in _COLOURS]
        cell[_WAVE:, :, channel] = np.interp(levels, stops, values)
    return cell


def _wave(sound: npt.NDArray[np.int16]) -> npt.NDArray[np.bool_]:
    """(_WAVE, _WIDTH): from the lowest to the highest sample of each column."""
    mono = sound.mean(axis=1) / 32768
    edges = np.linspace(0, len(mono), _WIDTH + 1).astype(np.int64)
    low, high = (f.reduceat(mono, edges[:-1]) for f in (np.minimum, np.maximum))
    middle = _WAVE // 2
    rows = np.arange(_WAVE)[:, None]
    top, bottom = np.rint(middle - high * middle), np.rint(middle - low * middle)
    return np.asarray((rows >= top) & (rows <= bottom))
