"""`Source` of sounds: any sound file to a clip of one length, stored as 16-bit WAV."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager

import numpy as np
import numpy.typing as npt

from aigc.modalities.audio import plane, reading, shaping, sheet, wav
from aigc.modalities.audio.plane import Levels
from aigc.modalities.audio.spec import PrepareSounds
from aigc.modalities.base import Items, ItemType
from aigc.types import Json

_MOST_BYTES_A_SECOND = 192_000 * 2 * 8


class AudioSource:
    """Samples, int16 (T, C)."""

    spec = PrepareSounds
    noun = "sound"
    column = "audio"
    suffix = ".wav"
    compresses = True
    suffixes = frozenset(
        (".wav", ".wave", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff", ".aifc")
    )
    blank = 0
    values = "training samples (-1..1)"
    full_scale = 32768.0

    def require(self) -> None:
        reading.require_libraries()

    def quiet(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def item(self, spec: PrepareSounds) -> ItemType:
        return ItemType((spec.samples, spec.channels), "int16", spec.rate)

    def identity(self, spec: PrepareSounds) -> tuple[object, ...]:
        return "audio", spec.samples, spec.channels, spec.rate

    def describe(self, spec: PrepareSounds) -> Json:
        return {"samples": spec.samples, "rate": spec.rate, "channels": spec.channels}

    def feature(self, item: ItemType) -> Json:
        return {"_type": "Audio", "sampling_rate": item.rate_hz}

    def most_file_bytes(self, spec: PrepareSounds) -> int:
        """Of stereo at 192 kHz and 64 bits."""
        return int(spec.max_seconds * _MOST_BYTES_A_SECOND) + 2**20

    def read(self, data: bytes, spec: PrepareSounds) -> Items:
        return shaping.shape(reading.read(data, spec), spec)

    def encode(self, items: Items, item: ItemType) -> list[bytes]:
        return [wav.encode(sound, item.rate_hz or 0) for sound in items]

    def decode(self, data: bytes, item: ItemType) -> Items:
        return wav.decode(data, item.shape, item.rate_hz or 0)

    def plane(self, items: Items) -> npt.NDArray[np.float64]:
        """A spectrogram in decibels, see `plane`."""
        return plane.planes(items)

    def compared(self, items: Items) -> Levels:
        """The levels of `plane`, uint8 (N, 32, 64)."""
        return plane.planes(items).astype(np.uint8)

    def distance(self, left: Levels, right: Levels) -> npt.NDArray[np.float64]:
        return plane.distances(left, right)

    def sheet(self, items: Items, columns: int, captions: Sequence[str] | None) -> bytes:
        return sheet.sheet(items, columns, captions)

    def in_words(self, item: ItemType) -> str:
        samples, channels = item.shape
        rate = item.rate_hz or 1
        sides = "mono" if channels == 1 else "stereo"
        return f"{samples / rate:g} s at {rate:,} Hz {sides} ({samples:,} samples)"

    def steps(self, spec: PrepareSounds) -> str:
        loudness = {
            "peak": f"the highest sample at {spec.target_db:g} dB of full scale",
            "rms": f"the root mean square at {spec.target_db:g} dB of full scale",
            "keep": "loudness as it was",
        }
        return (
            f"cut before it comes to {spec.start_db:g} dB of its peak, resampled by soxr, cut or "
            f"filled with silence to {spec.seconds:g} s, {loudness[spec.loudness]}, stored as "
            "16-bit WAV"
        )

    def changes(self) -> str:
        return "The sounds were mixed, resampled, cut or padded, scaled and stored as WAV."
