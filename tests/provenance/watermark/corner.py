"""A watermark of another package, as an operator may install one: eight bits in a corner."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aigc.provenance.claims import SoftBinding
from aigc.provenance.watermark import Detection
from aigc.types import UInt8Images


class Corner:
    least_px, payload_bits = 8, 8

    def __init__(self, key: bytes) -> None:
        self._mask = (key or b"\0")[0]

    def embed(self, pictures: UInt8Images, payloads: Sequence[bytes]) -> UInt8Images:
        marked = pictures.copy()
        for picture, payload in zip(marked, payloads, strict=True):
            picture[0, 0] = payload[0] ^ self._mask
            picture[0, 1] = 255 - picture[0, 0]
        return marked

    def detect(self, picture: np.ndarray) -> Detection:
        if picture.shape[1] < 2 or picture[0, 0, 0] != 255 - picture[0, 1, 0]:
            return Detection(None, 0.0, 1.0)
        return Detection(bytes([int(picture[0, 0, 0]) ^ self._mask]), 1.0, 1 / 256)

    def soft_binding(self, payload: bytes) -> SoftBinding:
        return SoftBinding("example.corner", payload.hex())


class Broken(Corner):
    def embed(self, pictures: UInt8Images, payloads: Sequence[bytes]) -> UInt8Images:
        return pictures[:, :1]


class Wordy(Corner):
    payload_bits = 9


class Failing:
    def __init__(self, key: bytes) -> None:
        raise RuntimeError("no weights\nhere")


class Nothing:
    def __init__(self, key: bytes) -> None:
        pass
