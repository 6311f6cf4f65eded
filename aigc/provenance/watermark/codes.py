"""Which waves of a picture carry which bits: keyed, orthogonal code words with a check.

A word is four symbols of 14 bits. Each symbol is one of 2^14 sequences of signs over the same 8,192
amplitudes: a row of a Hadamard matrix or its negative (biorthogonal modulation; Proakis, Digital
Communications, 4.3), shuffled and scrambled by the key. One more scrambled sequence without
bits is the pilot by which a cropped picture is aligned. Of the 56 bits 40 are payload and 16 check.
"""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SYMBOLS, SYMBOL_BITS = 4, 14
PAYLOAD_BYTES, CHECK_BYTES = 5, 2
AMPLITUDES = 2 ** (SYMBOL_BITS - 1)
LEAST_WAVES = 6
"""Cycles per tile of the slowest wave. Pictures hold most of their energy below."""

Float = npt.NDArray[np.float32]
Double = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Waves:
    """The 4,096 plane waves that carry the code, slowest first: cycles per tile down and across.
    Each has two amplitudes, of its cosine and of its sine."""

    down: Ints
    across: Ints
    top: int
    """The most cycles in either direction."""


@dataclass(frozen=True)
class Word:
    """The likeliest word: `z` is how far each symbol stands out, in standard deviations of what a
    picture without this watermark gives; `pilot` likewise."""

    payload: bytes
    is_whole: bool
    """Whether the check fits."""
    z: Double
    pilot: float

    @property
    def chance(self) -> float:
        """That the signs of another key give symbols and a check as good. Each symbol is the
        largest of 8,192 sums of the same amplitudes with random signs; their four chances are
        combined as Fisher did: the product of four even numbers is below t with that chance."""
        tails = [min(1.0, AMPLITUDES * math.erfc(float(z) / math.sqrt(2))) for z in self.z]
        below = max(math.prod(tails), 1e-300)
        terms = [(-math.log(below)) ** at / math.factorial(at) for at in range(SYMBOLS)]
        chance: float = min(1.0, below * sum(terms)) / 2 ** (8 * CHECK_BYTES)
        return chance


@functools.cache
def waves() -> Waves:
    top = 52
    down, across = (axis.ravel() for axis in np.mgrid[-top : top + 1, 0 : top + 1])
    squared = down**2 + across**2
    upper = (across > 0) | (down > 0)  # the other half follows by symmetry
    found = np.flatnonzero(upper & (squared >= LEAST_WAVES**2))
    order = np.lexsort((across[found], down[found], squared[found]))
    chosen = found[order][: AMPLITUDES // 2]
    down, across = down[chosen], across[chosen]
    return Waves(down, across, int(max(np.abs(down).max(), across.max())))


class Code:
    """Words of one key. Amplitudes are ordered as `waves`, first all cosines, then all sines."""

    def __init__(self, key: bytes) -> None:
        stream = hashlib.shake_256(b"aigc spread 1" + key)
        signs = (SYMBOLS + 1) * AMPLITUDES // 8
        data = stream.digest(signs + AMPLITUDES * 8)
        bits = np.unpackbits(np.frombuffer(data[:signs], np.uint8)).reshape(SYMBOLS + 1, AMPLITUDES)
        self._signs: Double = 1 - 2 * bits.astype(np.float64)
        self.pilot: Double = self._signs[0]
        words = np.frombuffer(data[signs:], "<u8")
        self._shuffled = np.argsort(words, kind="stable")
        self._places = np.argsort(self._shuffled, kind="stable")
        self._check_key = hashlib.blake2b(key, digest_size=32, person=b"aigc check").digest()

    def sequences(self, payload: bytes) -> Double:
        """The pilot and the four symbols of `payload`: ±1, (5, 8192)."""
        found = self._signs.copy()
        for at, symbol in enumerate(_symbols(payload + self._check(payload))):
            row = 1.0 - 2.0 * (np.bitwise_count(self._places & (symbol >> 1)) & 1)
            found[at + 1] *= row if symbol & 1 == 0 else -row
        return found

    def decode(self, amplitudes: Double) -> Word:
        """Of (8192,) amplitudes as they were measured."""
        length = float(np.linalg.norm(amplitudes)) or 1.0
        unit = amplitudes / length
        sums = _hadamard((unit * self._signs[1:])[:, self._shuffled])
        rows = np.abs(sums).argmax(axis=1)
        heights = sums[np.arange(SYMBOLS), rows]
        data = _bytes((rows << 1 | (heights < 0)).tolist())
        payload, check = data[:PAYLOAD_BYTES], data[PAYLOAD_BYTES:]
        whole = check == self._check(payload)
        return Word(payload, whole, np.abs(heights), float(unit @ self.pilot))

    def _check(self, payload: bytes) -> bytes:
        return hashlib.blake2b(payload, digest_size=CHECK_BYTES, key=self._check_key).digest()


def _symbols(data: bytes) -> list[int]:
    number = int.from_bytes(data, "big")
    return [number >> (SYMBOL_BITS * at) & (2**SYMBOL_BITS - 1) for at in range(SYMBOLS)]


def _bytes(symbols: list[int]) -> bytes:
    number = sum(symbol << (SYMBOL_BITS * at) for at, symbol in enumerate(symbols))
    return number.to_bytes(PAYLOAD_BYTES + CHECK_BYTES, "big")


def _hadamard(rows: Double) -> Double:
    """Each of (N, 8192) times the Hadamard matrix in Sylvester's order: the Kronecker product of
    those of 64 x 64 and 128 x 128."""
    blocks = rows.reshape(len(rows), 64, 128)
    sums: Double = (_sylvester(64) @ blocks @ _sylvester(128)).reshape(rows.shape)
    return sums


@functools.cache
def _sylvester(length: int) -> Double:
    order = np.arange(length)
    odd = np.bitwise_count(order[:, None] & order[None]) & 1
    matrix: Double = 1.0 - 2.0 * odd
    return matrix
