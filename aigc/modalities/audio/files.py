"""Sounds as files and back: WAV, FLAC and Ogg Vorbis."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from aigc.modalities.audio import ogg, wav

Samples = npt.NDArray[np.int16]
"""(T, C)."""

_LIBSNDFILE = {"wav": ("WAV", "PCM_16"), "flac": ("FLAC", "PCM_16"), "ogg": ("OGG", "VORBIS")}


def encode(samples: Samples, rate: int, codec: str, quality: int) -> bytes:
    """int16 (T, C) at `rate` as a file; `quality` 1..100 counts for ogg. The same samples give the
    same bytes."""
    if codec == "wav":
        return wav.encode(samples, rate)
    data = _encoded(samples, rate, codec, quality)
    return ogg.with_serial(data) if codec == "ogg" else data


def decode(data: bytes, rate: int, shape: tuple[int, int]) -> Samples:
    """A file as int16 (T, C), at most a sample longer than `shape`.

    Raises:
        ValueError: damaged, or of another rate.
    """
    import soundfile  # noqa: PLC0415

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if (file.format, file.subtype) not in _LIBSNDFILE.values():
                raise ValueError(f"not a WAV, FLAC or Ogg Vorbis file, but {file.format}")
            if file.samplerate != rate:
                raise ValueError(f"{file.samplerate} samples a second, expected {rate}")
            found: Samples = file.read(shape[0] + 1, dtype="int16", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"not a readable sound: {error.error_string}") from None
    return found


def _encoded(samples: Samples, rate: int, codec: str, quality: int) -> bytes:
    import soundfile  # noqa: PLC0415

    form, subtype = _LIBSNDFILE[codec]
    options: dict[str, Any] = {}
    if codec == "ogg":
        options["compression_level"] = 1 - quality / 100
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", rate, samples.shape[1], subtype, format=form, **options
    ) as file:
        file.write(samples)
    return buffer.getvalue()
