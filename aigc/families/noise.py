"""Random numbers as a pure function of (seed, item index): any item can be made again alone.

Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011):
key = job seed, counter = (index low, index high, block, stream). One counter gives four 32-bit
words, each word one uniform, each uniform one normal by the inverse distribution function, so a
truncated normal uses the same words as the full one and moves continuously with the cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from aigc.conditions.base import padded

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)

Words = npt.NDArray[np.uint64]
"""Any shape, each a 32-bit word held in 64 bits so that products do not overflow."""


def philox4x32(
    counter: tuple[Words, Words, Words, Words], key: tuple[Words, Words]
) -> tuple[Words, Words, Words, Words]:
    """Ten rounds on counters and keys that broadcast to one shape; returns four words for each."""
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


@dataclass(frozen=True)
class Noise:
    """Random numbers of N rows. Each number depends only on its row's seed and counter, the stream
    and the place in the stream.

    Calls with the same stream and overlapping places return the same numbers, also `uniform` and
    `normal`. Use a separate stream for each purpose.
    """

    seeds: npt.NDArray[np.uint64]
    """(R,) of R rows; the last row is repeated up to N."""
    counters: npt.NDArray[np.int64]
    """(R,), 0 or more."""
    device: str = "cpu"
    """Device of the tensors. They are computed on the CPU, with the same bits everywhere."""
    rows: int | None = None
    """N; None means R."""

    def __len__(self) -> int:
        return len(self.counters) if self.rows is None else self.rows

    def padded(self, rows: slice, size: int) -> Noise:
        """The rows `rows`, with the last one repeated up to `size` rows."""
        return replace(self, seeds=self.seeds[rows], counters=self.counters[rows], rows=size)

    def uniform(self, shape: tuple[int, ...], stream: int = 0, start: int = 0) -> Tensor:
        """float64 (N, *shape), uniform in the open interval (0, 1). `start` is the first place in
        the stream, 0 to 2^34."""
        return self._rows_of(torch.from_numpy(self._uniform(shape, stream, start)))

    def normal(
        self, shape: tuple[int, ...], stream: int = 0, start: int = 0, cut: Tensor | None = None
    ) -> Tensor:
        """float32 (N, *shape), standard normal. `cut` float64 (N,) draws each row from the normal
        cut at ± its value; NaN and infinity leave a row as it is."""
        u = torch.from_numpy(self._uniform(shape, stream, start))
        if cut is not None:
            own = torch.nan_to_num(cut[: len(u)].cpu(), nan=math.inf, posinf=math.inf)
            tail = 0.5 * torch.special.erfc(own / math.sqrt(2))
            tail = tail.view(-1, *[1] * len(shape))
            u = tail + u * (1 - 2 * tail)
        normals: Tensor = torch.special.ndtri(u)
        return self._rows_of(normals.float())

    def _uniform(self, shape: tuple[int, ...], stream: int, start: int) -> npt.NDArray[np.float64]:
        """(R, *shape)."""
        count, skipped = math.prod(shape), start % 4
        index, seed = self.counters.astype(np.uint64), self.seeds
        if (seed == seed[:1]).all():
            seed = seed[:1]  # one key for all is fewer sums
        blocks = -(-(skipped + count) // 4)
        block = np.arange(start // 4, start // 4 + blocks, dtype=np.uint64)[:, None]
        streams = np.full(1, stream, dtype=np.uint64)
        counter = index & _LOW, index >> _SHIFT, block, streams  # rows lie side by side
        uniform = np.empty((len(index), blocks, 4))
        for at, word in enumerate(philox4x32(counter, (seed & _LOW, seed >> _SHIFT))):
            uniform[:, :, at] = word.T
        uniform += 0.5
        uniform *= 2.0**-32
        return uniform.reshape(len(index), -1)[:, skipped : skipped + count].reshape(-1, *shape)

    def _rows_of(self, values: Tensor) -> Tensor:
        """(R, *shape) as (N, *shape), on the device."""
        values = values if len(values) == len(self) else padded(values, len(self))
        return values.to(self.device, non_blocking=True)
