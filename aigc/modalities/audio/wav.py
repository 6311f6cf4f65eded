"""WAV files of 16-bit samples as data sets store them: written and read without a library.

The header has 44 bytes (RIFF, `fmt ` of PCM, `data`), as
https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html describes it.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_PCM, _BITS = 1, 16


def encode(samples: npt.NDArray[np.int16], rate: int) -> bytes:
    """int16 (T, C) as a file; `rate` in samples a second."""
    return _header(samples.shape, rate) + samples.astype("<i2", copy=False).tobytes()


def decode(data: bytes, shape: tuple[int, ...], rate: int) -> npt.NDArray[np.int16]:
    """int16 of `shape` (T, C), from what `encode` wrote.

    Raises:
        ValueError: not such a file, cut off, or of another shape or rate.
    """
    header = _header(shape, rate)
    if not data.startswith(header):
        raise ValueError("not a WAV file of the data set's length, channels and rate")
    if len(data) != len(header) + 2 * shape[0] * shape[1]:
        raise ValueError(f"{len(data):,} bytes, not as many as its header says")
    values = np.frombuffer(data, "<i2", offset=len(header))
    return values.reshape(shape).astype(np.int16, copy=False)


def _header(shape: tuple[int, ...], rate: int) -> bytes:
    count, channels = shape
    frame = 2 * channels
    size = count * frame
    start = (b"RIFF", _HEADER.size - 8 + size, b"WAVE", b"fmt ", 16, _PCM, channels, rate)
    return _HEADER.pack(*start, rate * frame, frame, _BITS, b"data", size)
