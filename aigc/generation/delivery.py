"""Pixels as a model makes them → files as they are delivered, in bulk and behind the endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aigc.job.keys import Ints
from aigc.modalities.image import Resampling, encode, recolour, resample
from aigc.provenance.marking import encode_marked
from aigc.specs import Codec
from aigc.types import UInt8Images

AT_ONCE_BYTES = 16 * 2**20
"""Pixels in delivered size brought into shape at a time. Results wait for each other, one an
encoding thread, and are copied on their way to a file: some 256 MiB in all."""


@dataclass(frozen=True)
class Format:
    """How a picture is delivered."""

    width: int
    height: int
    codec: Codec = "png"
    quality: int = 90

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def weight(self) -> float:
        """The work of one picture, 1 for small ones: resampling and encoding go by the pixel."""
        return max(1.0, self.pixels / 2**14)


def to_files_each(
    pixels: UInt8Images,
    channels: int,
    formats: Sequence[Format],
    of: Ints,
    resampling: Resampling = "lanczos",
    *,
    labelled: bool = True,
) -> list[bytes]:
    """As `to_files`, row i in `formats[of[i]]`; `of` is (N,). One format is encoded at a time."""
    if len(formats) == 1:
        return to_files(pixels, channels, formats[0], resampling, labelled=labelled)
    files = [b""] * len(pixels)
    for number in np.unique(of).tolist():
        rows = np.flatnonzero(of == number)
        found = to_files(pixels[rows], channels, formats[number], resampling, labelled=labelled)
        for row, file in zip(rows.tolist(), found, strict=True):
            files[row] = file
    return files


def to_files(
    pixels: UInt8Images,
    channels: int,
    wanted: Format,
    resampling: Resampling = "lanczos",
    *,
    labelled: bool = True,
) -> list[bytes]:
    """(N, H, W, C) in `channels`, resized, encoded and, if `labelled`, marked as AI-generated.

    A bounded number of pixels is worked on at a time, however many images there are.
    """
    step = max(1, AT_ONCE_BYTES // (wanted.pixels * channels))
    encoded = encode_marked if labelled else encode
    files: list[bytes] = []
    for start in range(0, len(pixels), step):
        coloured = recolour(pixels[start : start + step], "grey" if channels == 1 else "rgb")
        shaped = resample(coloured, wanted.height, wanted.width, resampling)
        files += encoded(shaped, wanted.codec, wanted.quality)
    return files
