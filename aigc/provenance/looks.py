"""What a picture looks like in a few numbers, compared and cut into bands for search.

They are made by `modalities.image.perceptual`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BITS = 256
WORDS = BITS // 64
COLOUR_CELLS = 4
COLOURS = COLOUR_CELLS**2 * 3

UInt8s = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
"""(N, 4): the bits of each hash, in shuffled order."""


@dataclass(frozen=True)
class PerceptualHashes:
    """Of N pictures: `bits` uint64 (N, 4), `colours` uint8 (N, 48) and whether each shows enough,
    bool (N,)."""

    bits: Hashes
    colours: UInt8s
    """Mean red, green and blue of 4 x 4 cells, row by row."""
    is_telling: npt.NDArray[np.bool_]


def distances(one: Hashes, many: Hashes) -> npt.NDArray[np.int64]:
    """Bits in which (4,) differs from each of (N, 4)."""
    apart: npt.NDArray[np.int64] = np.bitwise_count(many ^ one).sum(axis=1, dtype=np.int64)
    return apart


def colour_distances(one: UInt8s, many: UInt8s) -> npt.NDArray[np.float32]:
    """Root mean squared difference of colours (0..255) of (48,) to each of (N, 48)."""
    apart: npt.NDArray[np.float32] = np.sqrt(np.square(many.astype(np.float32) - one).mean(axis=1))
    return apart


def bands(found: Hashes) -> npt.NDArray[np.uint16]:
    """(N, 16): each hash as sixteen numbers of 16 bits."""
    return found.view(np.uint16).reshape(len(found), BITS // 16)
