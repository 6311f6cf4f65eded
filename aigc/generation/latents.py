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

from aigc.job.keys import SampleKeys

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_LATENT_STREAM = 0

Words = npt.NDArray[np.uint64]
"""Any shape, each a 32-bit word held in 64 bits so that products do not overflow."""


def philox4x32(
    counter: tuple[Words, Words, Words, Words], key: tuple[Words, Words]
) -> tuple[Words, Words, Words, Words]:
    """Ten rounds on counters and keys that broadcast to one shape; four words out for each."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        product0 = _MULTIPLIERS[0] * c0
        product1 = _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (
            (product1 >> _SHIFT) ^ c1 ^ k0,
            product1 & _LOW,
            (product0 >> _SHIFT) ^ c3 ^ k1,
            product0 & _LOW,
        )
        k0 = (k0 + _WEYL[0]) & _LOW
        k1 = (k1 + _WEYL[1]) & _LOW
    return c0, c1, c2, c3


def uniforms(draws: SampleKeys, dim: int) -> npt.NDArray[np.float64]:
    """(N, dim) uniforms in the open interval (0, 1), a row a candidate."""
    index, seed = draws.candidates.astype(np.uint64), draws.seeds
    if (seed == seed[:1]).all():
        seed = seed[:1]  # one key for all is fewer sums
    block = np.arange(-(-dim // 4), dtype=np.uint64)[:, None]  # candidates lie side by side
    stream = np.full(1, _LATENT_STREAM, dtype=np.uint64)
    counter = index & _LOW, index >> _SHIFT, block, stream
    uniform = np.empty((len(draws), len(block), 4))
    for at, word in enumerate(philox4x32(counter, (seed & _LOW, seed >> _SHIFT))):
        uniform[:, :, at] = word.T
    uniform += 0.5
    uniform *= 2.0**-32
    return uniform.reshape(len(draws), -1)[:, :dim]


def latents(draws: SampleKeys, dim: int) -> torch.Tensor:
    """float32 (N, dim) standard normals, each row cut at ± its truncation."""
    u = torch.from_numpy(uniforms(draws, dim))
    if np.isfinite(draws.truncations).any():
        cut = torch.from_numpy(draws.truncations)[:, None]
        tail = 0.5 * torch.special.erfc(cut / math.sqrt(2))
        u = tail + u * (1 - 2 * tail)
    normals: torch.Tensor = torch.special.ndtri(u)
    return normals.float()
