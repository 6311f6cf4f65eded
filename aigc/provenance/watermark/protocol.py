"""What a method of watermarking can do, and what it finds in a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from aigc.provenance.claims import SoftBinding
from aigc.types import UInt8Images

Picture = npt.NDArray[np.uint8]
"""(H, W, C) pixels in 0..255, C is 1 (grey) or 3 (RGB)."""


@dataclass(frozen=True)
class Detection:
    """What a detector found in one picture.

    `payload` is None where there is no watermark. `score` grows with the strength of the signal, in
    a unit of the method. `p_value` is the chance that a picture without this watermark gives some
    payload with at least this score; 1 where there is none."""

    payload: bytes | None
    score: float
    p_value: float
    method: str = ""


@runtime_checkable
class Watermark(Protocol):
    """A method with its key. docs/extending.md has the contract for methods of other packages."""

    least_px: int
    """Shorter side, in pixels, below which it embeds nothing."""
    payload_bits: int
    """Length of a payload; a multiple of 8."""

    def embed(self, pictures: UInt8Images, payloads: Sequence[bytes]) -> UInt8Images:
        """uint8 (N, H, W, C), each with its payload. Row i follows from picture i and payload i
        alone: equal bytes, whatever its neighbours are."""
        ...

    def detect(self, picture: Picture) -> Detection:
        """In uint8 (H, W, C) of any size. Raises nothing for a picture of anybody."""
        ...

    def soft_binding(self, payload: bytes) -> SoftBinding:
        """How the C2PA manifest of an item names its watermark."""
        ...


@dataclass(frozen=True)
class Method:
    """A member of `WATERMARKS`: `open` takes the secret key (empty: the public one) and may raise
    SpecError where optional packages are missing."""

    title: str
    open: Callable[[bytes], Watermark]
