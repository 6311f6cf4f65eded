"""Where a picture may lie in the one that was watermarked: whole or cropped, also mirrored.

The pilot is correlated with the picture at all places that a crop can begin at, for shares of the
shorter side from 1 down to 0.7 (a matched filter, as in phase correlation; Kuglin and Hines 1975).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aigc.provenance.watermark.codes import Double, Ints, waves
from aigc.provenance.watermark.plane import Plane, projected

SHARES = tuple(float(share) for share in np.exp(-0.011 * np.arange(33)))
"""Of the shorter side that a crop keeps."""
NEARBY = (-0.0037, 0.0, 0.0037)
STEPS = 256
"""To a tile: beginnings of a crop are searched every other step, then every step."""
MARGIN = 0.02
"""Parts of a tile that a crop may begin outside of what its size allows."""
MOST = 4
"""Alignments that are decoded."""

Projection = npt.NDArray[np.complexfloating[Any, Any]]


@dataclass(frozen=True)
class Alignment:
    """`pilot` is in standard deviations of what pictures without the watermark give; `down` and
    `across` say where the picture begins, in steps."""

    pilot: float
    kept: float
    is_mirrored: bool
    down: int
    across: int


def alignments(plane: Plane, pilot: Double) -> Iterator[tuple[Projection, Alignment]]:
    """The likeliest `MOST`, best first, each with its projection."""
    sought, found = _grid(pilot), []
    for share in SHARES:
        places = [_places(side, min(plane.shape), share) for side in plane.shape]
        for is_mirrored, projection in both(plane, share):
            height, down, across = _best(projection, sought, places)
            found.append(Alignment(height, share, is_mirrored, down, across))
    found.sort(key=lambda one: -one.pilot)
    for coarse in found[:MOST]:
        yield _refined(plane, sought, coarse)


def both(plane: Plane, share: float = 1.0) -> Iterator[tuple[bool, Projection]]:
    """The projection of the picture, and with left and right exchanged, if its shorter side is
    `share` of a tile."""
    projection = projected(plane, share)
    yield False, projection
    tiles = share * plane.shape[1] / min(plane.shape)
    turns = np.exp(2j * np.pi * tiles * np.arange(waves().top + 1)).astype(projection.dtype)
    yield True, projection[::-1].conj() * turns


def _refined(plane: Plane, sought: Projection, coarse: Alignment) -> tuple[Projection, Alignment]:
    """Shares and places between those of the first search."""
    places = [at + np.arange(-2, 3) for at in (coarse.down, coarse.across)]
    tried = []
    for change in NEARBY:
        share = coarse.kept * (1 + change)
        projection = dict(both(plane, share))[coarse.is_mirrored]
        height, down, across = _best(projection, sought, places)
        tried.append((projection, Alignment(height, share, coarse.is_mirrored, down, across)))
    return max(tried, key=lambda one: one[1].pilot)


def _best(projection: Projection, sought: Projection, places: list[Ints]) -> tuple[float, int, int]:
    """The highest correlation with the pilot, and where the picture begins then."""
    products, turns = projection * sought, _turns()
    down, across = (turns[steps % STEPS] for steps in places)
    sums = (down @ products @ across[:, waves().top :].T).real
    row, column = divmod(int(sums.argmax()), sums.shape[1])
    length = float(np.linalg.norm(products)) or 1.0
    height = float(sums[row, column]) * 2**0.5 / length
    return height, int(places[0][row]), int(places[1][column])


def _grid(pilot: Double) -> Projection:
    """The pilot's conjugate where a projection has its waves, else 0."""
    carry, half = waves(), len(pilot) // 2
    grid = np.zeros((2 * carry.top + 1, carry.top + 1), np.complex64)
    grid[carry.down + carry.top, carry.across] = pilot[:half] - 1j * pilot[half:]
    return grid


@functools.cache
def _turns() -> Projection:
    """(steps, frequencies), from -top to top."""
    cycles = np.arange(-waves().top, waves().top + 1)
    turns = np.outer(np.arange(STEPS), cycles) % STEPS
    table: Projection = np.exp(2j * np.pi * turns / STEPS).astype(np.complex64)
    return table


def _places(side: int, short: int, share: float) -> Ints:
    """Steps at which a picture with that side may begin. A longer side may have been cropped by
    itself."""
    if side > 1.02 * short:
        return np.arange(0, STEPS, 2)
    last = (side / short) * (1 - share)
    first, stop = np.floor(-MARGIN * STEPS), np.ceil((last + MARGIN) * STEPS)
    return np.arange(int(first), int(stop) + 1, 2)
