"""Where a picture may lie in the one that was watermarked: whole or cropped, also mirrored.

The pilot is correlated with the picture at all places that a crop can begin at, for shares of the
shorter side from 1 down to 0.7 (a matched filter for translation by FFT; Kuglin and Hines 1975).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aigc.provenance.watermark.codes import Double, waves
from aigc.provenance.watermark.plane import Plane, projected

SHARES = tuple(float(share) for share in np.exp(-0.011 * np.arange(33)))
"""Of the shorter side that a crop keeps."""
NEARBY = (-0.0037, 0.0, 0.0037)
PLACES, FINER = 128, 256
"""Steps to a tile in which the beginning of a crop is searched, first and then."""
MARGIN = 0.02
"""Parts of a tile that a crop may begin outside of what its size allows."""
MOST = 6
"""Alignments that are decoded."""

Projection = npt.NDArray[np.complexfloating[Any, Any]]


@dataclass(frozen=True)
class Alignment:
    """`pilot` is in standard deviations of what pictures without the watermark give; `down` and
    `across` say where the picture begins, in tiles."""

    pilot: float
    kept: float
    is_mirrored: bool
    down: float
    across: float


def alignments(plane: Plane, pilot: Double) -> Iterator[tuple[Projection, Alignment]]:
    """The likeliest `MOST`, best first, each with its projection."""
    found = []
    for share in SHARES:
        for is_mirrored, projection in both(projected(plane, share)):
            found.append(_best(projection, plane, pilot, share, is_mirrored, PLACES))
    found.sort(key=lambda one: -one.pilot)
    for coarse in found[:MOST]:
        yield _refined(plane, pilot, coarse)


def both(projection: Projection) -> Iterator[tuple[bool, Projection]]:
    """As it is, and of the picture with left and right exchanged."""
    yield False, projection
    yield True, projection[::-1].conj()


def _refined(plane: Plane, pilot: Double, coarse: Alignment) -> tuple[Projection, Alignment]:
    tried = []
    for change in NEARBY:
        share = coarse.kept * (1 + change)
        projection = dict(both(projected(plane, share)))[coarse.is_mirrored]
        best = _best(projection, plane, pilot, share, coarse.is_mirrored, FINER)
        tried.append((projection, best))
    return max(tried, key=lambda one: one[1].pilot)


def _best(
    projection: Projection, plane: Plane, pilot: Double, share: float, mirrored: bool, steps: int
) -> Alignment:
    carry = waves()
    chosen = projection[carry.down + carry.top, carry.across]
    half = len(pilot) // 2
    products = chosen * (pilot[:half] - 1j * pilot[half:])
    spectrum = np.zeros((steps, steps // 2 + 1), np.complex64)
    spectrum[carry.down % steps, carry.across] = products
    edge = carry.across == 0
    spectrum[-carry.down[edge] % steps, 0] = products[edge].conj()
    sums = np.fft.irfft2(spectrum, (steps, steps), norm="forward")
    rows, columns = (_places(side, plane.shape, share, steps) for side in plane.shape)
    allowed = sums[np.ix_(rows, columns)]
    row, column = divmod(int(allowed.argmax()), len(columns))
    length = float(np.linalg.norm(chosen)) or 1.0
    height = float(allowed[row, column]) / (2 * length)
    return Alignment(height, share, mirrored, rows[row] / steps, columns[column] / steps)


def _places(side: int, shape: tuple[int, ...], share: float, steps: int) -> npt.NDArray[np.int64]:
    """Steps at which a picture with that side may begin. A longer side may have been cropped by
    itself."""
    if side > 1.02 * min(shape):
        return np.arange(steps)
    last = (side / min(shape)) * (1 - share)
    first, stop = np.floor(-MARGIN * steps), np.ceil((last + MARGIN) * steps)
    return np.arange(int(first), int(stop) + 1)[:steps]
