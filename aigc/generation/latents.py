"""Latents as a pure function of (seed, item index): any item can be drawn again alone.

Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011):
key = job seed, counter = (index low, index high, block, stream). One counter gives four 32-bit
words, each word one uniform, each uniform one normal by the inverse distribution function, so a
truncated normal uses the same words as the full one and moves continuously with the cut.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_LATENT_STREAM = 0

Words = npt.NDArray[np.uint64]
"""Any shape, each a 32-bit word held in 64 bits so that products do not overflow."""


def philox4x32(
    counter: tuple[Words, Words, Words, Words], key: tuple[int, int]
) -> tuple[Words, Words, Words, Words]:
    """Ten rounds on counters of one broadcast shape; four words out for each."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        product0 = _MULTIPLIERS[0] * c0
        product1 = _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (
            (product1 >> _SHIFT) ^ c1 ^ np.uint64(k0),
            product1 & _LOW,
            (product0 >> _SHIFT) ^ c3 ^ np.uint64(k1),
            product0 & _LOW,
        )
        k0 = (k0 + _WEYL[0]) & 0xFFFFFFFF
        k1 = (k1 + _WEYL[1]) & 0xFFFFFFFF
    return c0, c1, c2, c3


def uniforms(seed: int, start: int, stop: int, dim: int) -> npt.NDArray[np.float64]:
    """(stop - start, dim) uniforms in the open interval (0, 1), for items start ≤ index < stop."""
    index = np.arange(start, stop, dtype=np.uint64)[:, None]
    block = np.arange(-(-dim // 4), dtype=np.uint64)[None, :]
    stream = np.full((1, 1), _LATENT_STREAM, dtype=np.uint64)
    shape = (stop - start, block.shape[1])
    counter = tuple(np.broadcast_to(c, shape) for c in (index & _LOW, index >> _SHIFT, block))
    words = philox4x32((*counter, np.broadcast_to(stream, shape)), (seed & 0xFFFFFFFF, seed >> 32))  # type: ignore[arg-type]
    stacked = np.stack(words, axis=-1).reshape(stop - start, -1)[:, :dim]
    return (stacked.astype(np.float64) + 0.5) * 2.0**-32


def latents(
    seed: int, start: int, stop: int, dim: int, truncation: float | None = None
) -> torch.Tensor:
    """float32 (stop - start, dim) standard normals, cut at ± `truncation` if given."""
    u = torch.from_numpy(uniforms(seed, start, stop, dim))
    if truncation is not None:
        tail = 0.5 * math.erfc(truncation / math.sqrt(2))
        u = tail + u * (1 - 2 * tail)
    normals: torch.Tensor = torch.special.ndtri(u)
    return normals.float()
