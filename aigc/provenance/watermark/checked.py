"""The same checks around every method, also those of other packages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aigc.errors import JobError, SpecError
from aigc.provenance.claims import SoftBinding
from aigc.provenance.watermark.protocol import Detection, Picture, Watermark
from aigc.types import UInt8Images

MOST_PAYLOAD_BITS = 56


class CheckedWatermark:
    """A method under its name: refuses what cannot be right, before and after it runs."""

    def __init__(self, name: str, inner: Watermark) -> None:
        bits, least = inner.payload_bits, inner.least_px
        if bits % 8 or not 8 <= bits <= MOST_PAYLOAD_BITS:
            right = f"8 to {MOST_PAYLOAD_BITS} in whole bytes"
            raise SpecError(f"watermark: {name}: payload_bits is {bits}; {right}")
        self.name, self.payload_bits, self.least_px = name, bits, least
        self._inner = inner

    def embed(self, pictures: UInt8Images, payloads: Sequence[bytes]) -> UInt8Images:
        """As `Watermark.embed`.

        Raises:
            SpecError: pictures are not uint8 (N, H, W, 1 or 3) of at least `least_px`, or payloads
                are not N of `payload_bits`.
            JobError: the method gave something else than pictures of the same shape.
        """
        _check_pictures(self.name, pictures, self.least_px)
        if len(payloads) != len(pictures):
            given = f"{len(payloads)} payloads for {len(pictures)} pictures"
            raise SpecError(f"watermark: {self.name}: {given}; one for each is right")
        for payload in payloads:
            if len(payload) * 8 != self.payload_bits:
                given = f"a payload has {len(payload) * 8} bits"
                raise SpecError(f"watermark: {self.name}: {given}; {self.payload_bits} are right")
        marked = self._inner.embed(pictures, payloads)
        if marked.shape != pictures.shape or marked.dtype != np.uint8:
            given = f"{marked.dtype} {marked.shape} for uint8 {pictures.shape}"
            raise JobError(f"watermark: {self.name} returned {given}")
        return marked

    def require_room(self, height: int, width: int) -> None:
        """Raises SpecError when pictures of that size are too small, or refused by the method."""
        blank = np.zeros((1, height, width, 1), np.uint8)
        try:
            self.embed(blank, [bytes(self.payload_bits // 8)])
        except SpecError as error:
            raise SpecError(f"provenance.{error}") from None

    def detect(self, picture: Picture) -> Detection:
        """As `Watermark.detect`. Raises SpecError for what is not uint8 (H, W, 1 or 3)."""
        _check_pictures(self.name, picture[None], 1)
        found = self._inner.detect(picture)
        return Detection(found.payload, float(found.score), float(found.p_value), self.name)

    def soft_binding(self, payload: bytes) -> SoftBinding:
        return self._inner.soft_binding(payload)


def _check_pictures(name: str, pictures: UInt8Images, least_px: int) -> None:
    shape = pictures.shape
    if pictures.dtype != np.uint8 or len(shape) != 4 or shape[3] not in {1, 3}:
        given = f"pictures are {pictures.dtype} {shape}"
        raise SpecError(f"watermark: {name}: {given}; uint8 (N, H, W, 1 or 3) is right")
    if min(shape[1:3]) < least_px:
        given = f"{shape[2]} x {shape[1]} pixels"
        raise SpecError(f"watermark: {name}: {given} are too few; {least_px} a side are needed")
