"""What an item is compared by: a digest of its values, a perceptual hash, a small thumbnail.

Hash and thumbnail are those of a picture of it, its plane: the grey levels of an image, the
spectrogram of a sound. The hash is pHash (Zauner 2010): the 8x8 lowest frequencies of the DCT of
the plane at 32x32, each as one bit, above or below their median. The thumbnail and the mean bound
the true distance from below (averaging never raises a root mean square), so pairs can be ruled out
without their items.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aigc.modalities.base import Items, Source

Float = npt.NDArray[np.float64]
THUMBNAIL = 8


@dataclass(frozen=True)
class Fingerprints:
    """Of N items: `content` 16-byte digests, `phash` (N,) uint64, `thumbnail` uint8 (N, 64),
    `mean` (N,) float64 level in 0..255."""

    content: list[bytes]
    phash: npt.NDArray[np.uint64]
    thumbnail: npt.NDArray[np.uint8]
    mean: Float


def fingerprint(items: Items, source: Source) -> Fingerprints:
    """Fingerprints of (N, ...) items of the kind that `source` reads, each by itself."""
    plane = source.plane(items)
    content = [hashlib.blake2b(item.tobytes(), digest_size=16).digest() for item in items]
    levels = _averages(plane, THUMBNAIL)
    return Fingerprints(content, _phash(plane), levels, plane.mean(axis=(1, 2)))


def averages(items: Items, cells: int, source: Source) -> npt.NDArray[np.uint8]:
    """Planes of (N, ...) items averaged over a grid and rounded, uint8 (N, cells * cells)."""
    return _averages(source.plane(items), cells)


def _averages(grey: Float, cells: int) -> npt.NDArray[np.uint8]:
    down_y, down_x = _area(grey.shape[1], cells), _area(grey.shape[2], cells)
    levels = np.rint(down_y @ grey @ down_x.T).astype(np.uint8)
    return levels.reshape(len(grey), cells**2)


def _phash(grey: Float) -> npt.NDArray[np.uint64]:
    down_y = _dct() @ _area(grey.shape[1], 32)
    down_x = _dct() @ _area(grey.shape[2], 32)
    # Rounding keeps float noise from deciding bits of flat images.
    waves = np.rint((down_y @ grey @ down_x.T) * 16).reshape(len(grey), 64)
    bits = waves > np.median(waves[:, 1:], axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").astype(np.uint64).reshape(-1)


@functools.cache
def _dct() -> Float:
    """The first 8 rows of the orthonormal DCT-II of length 32."""
    k, n = np.mgrid[0:8, 0:32]
    rows: Float = np.cos(np.pi * k * (2 * n + 1) / 64) * np.where(k == 0, 1 / 32, 1 / 16) ** 0.5
    return rows


@functools.cache
def _area(length: int, cells: int) -> Float:
    """(cells, length) matrix that averages over `cells` equal stretches, edges shared."""
    edges = np.linspace(0, length, cells + 1)
    low, high = (
        np.maximum.outer(edges[:-1], np.arange(length)),
        np.minimum.outer(edges[1:], np.arange(1, length + 1)),
    )
    weights: Float = np.clip(high - low, 0, None) * (cells / length)
    return weights
