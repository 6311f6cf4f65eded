"""A perceptual hash of 256 bits that survives re-encoding and resizing, to find pictures again.

It is the hash of `data.fingerprints` (pHash; Zauner 2010) with four times the bits, which a search
among 10⁸ pictures needs: the 16 x 16 lowest frequencies of a 64 x 64 grey image's DCT, each as one
bit, above or below their median. The mean colours of 4 x 4 cells go with it: they tell apart what
has the same shape, such as two flags. A fixed shuffle spreads neighbouring frequencies over the
bands that `trace_index` searches by.
"""

from __future__ import annotations

import functools
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from aigc.modalities.picture_formats import WRITTEN
from aigc.provenance.looks import BITS, COLOUR_CELLS, COLOURS, WORDS, Hashes, PerceptualHashes
from aigc.types import UInt8Images

GRID, WAVES = 64, 16
LEAST_CONTRAST = 1.0
"""Standard deviation of grey levels (0..255) on the grid below which a picture shows too little to
be told from others; it has no hash."""
MOST_PIXELS = 50_000_000
MOST_SIDE = 20_000
"""Of a longer, narrow picture the matrices that average it would take gigabytes."""
_ENOUGH_SIDE = 512
"""Larger pictures are averaged down to about it first, which takes less memory and time."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_WORK_PIXELS = 2**18
"""Worked on at a time: what a core's cache holds."""
_SHUFFLE = np.random.default_rng(20261129).permutation(BITS)

Float = npt.NDArray[np.float32]


def hashes(pixels: UInt8Images) -> PerceptualHashes:
    """Of uint8 (N, H, W, C), each picture by itself."""
    count, height, width, channels = pixels.shape
    step = max(1, _WORK_PIXELS // max(1, height * width))
    down = np.concatenate([_waves(height), _cells(height)])
    across, cells = np.ascontiguousarray(_waves(width).T), np.ascontiguousarray(_cells(width).T)
    waves = np.empty((count, WAVES, WAVES), np.float32)
    colours = np.empty((count, COLOUR_CELLS, 3, COLOUR_CELLS), np.float32)
    for start in range(0, count, step):
        part = slice(start, start + step)
        levels = pixels[part].astype(np.float32).reshape(-1, height, width * channels)
        rows = (down @ levels).reshape(-1, len(down), width, channels)
        luma = rows[:, :WAVES, :, 0] if channels == 1 else rows[:, :WAVES] @ _LUMA
        waves[part] = luma @ across
        colours[part] = rows[:, WAVES:].swapaxes(2, 3) @ cells
    flat = waves.reshape(count, BITS)
    # Parseval: what the low frequencies hold of the variance, the mean left out.
    contrast = np.sqrt(np.square(flat[:, 1:]).sum(axis=1)) / GRID
    mean = np.rint(colours.swapaxes(2, 3)).clip(0, 255).astype(np.uint8).reshape(count, COLOURS)
    return PerceptualHashes(_packed(flat), mean, contrast >= LEAST_CONTRAST)


def hash_file(file: bytes) -> PerceptualHashes:
    """Of one picture file of anybody, with N = 1. Raises ValueError where it cannot be read."""
    return hashes(reduced(file)[None])


def reduced(file: bytes) -> npt.NDArray[np.uint8]:
    """The pixels of a picture file of anybody, (H, W, 3), averaged down to a shorter side of some
    512 where it is larger. Raises ValueError where it cannot be read."""
    try:
        with Image.open(io.BytesIO(file), formats=WRITTEN) as image:
            if image.width * image.height > MOST_PIXELS:
                size = f"{image.width} x {image.height}"
                raise ValueError(f"{size} pixels are more than {MOST_PIXELS}")
            if max(image.size) > MOST_SIDE:
                raise ValueError(f"a side of {max(image.size)} pixels is longer than {MOST_SIDE}")
            shown = image.convert("RGB")
            if (factor := min(shown.size) // _ENOUGH_SIDE) > 1:
                shown = shown.reduce(factor)
            return np.asarray(shown)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a readable image: {error}") from None


def _packed(waves: Float) -> Hashes:
    rounded = np.rint(waves * 16)  # float noise decides no bits of flat pictures
    bits = rounded > np.median(rounded[:, 1:], axis=1, keepdims=True)
    packed = np.ascontiguousarray(np.packbits(bits[:, _SHUFFLE], axis=1))
    return packed.view("<u8").astype(np.uint64).reshape(len(waves), WORDS)


@functools.lru_cache(maxsize=64)
def _waves(length: int) -> Float:
    """(16, length): area average down to the grid, then the first rows of its orthonormal DCT."""
    k, n = np.mgrid[0:WAVES, 0:GRID]
    scale = np.where(k == 0, 1 / GRID, 2 / GRID) ** 0.5
    rows = np.cos(np.pi * k * (2 * n + 1) / (2 * GRID)) * scale
    down: Float = (rows @ _area(length, GRID)).astype(np.float32)
    return down


@functools.lru_cache(maxsize=64)
def _cells(length: int) -> Float:
    """(4, length)."""
    down: Float = _area(length, COLOUR_CELLS).astype(np.float32)
    return down


def _area(length: int, cells: int) -> npt.NDArray[np.float64]:
    """(cells, length) matrix that averages over equal stretches, edges shared."""
    edges = np.linspace(0, length, cells + 1)
    low = np.maximum.outer(edges[:-1], np.arange(length))
    high = np.minimum.outer(edges[1:], np.arange(1, length + 1))
    weights: npt.NDArray[np.float64] = np.clip(high - low, 0, None) * (cells / length)
    return weights
