"""Any sound file from anywhere to samples in memory, or a reason why not.

The bytes are not trusted: their beginning says which of a few decoders of libsndfile is used, the
header is read first, and nothing is decoded that lasts longer than the spec allows.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from aigc.errors import SpecError
from aigc.modalities.audio.containers import FORMATS, format_of, is_cut_off
from aigc.modalities.audio.hush import quiet_decoder
from aigc.modalities.audio.looks import looks_like
from aigc.modalities.audio.spec import PrepareSounds
from aigc.modalities.base import RejectError

if TYPE_CHECKING:
    import soundfile

Samples = npt.NDArray[np.float32]
"""(T, C); full scale is -1..1."""

_RATES = (2_000, 192_000)
_MOST_CHANNELS = 2
_EIGHT_BITS = {"PCM_U8", "PCM_S8", "ULAW", "ALAW", "DPCM_8"}
_ALLOWED = {name for names in FORMATS.values() for name in names}
_BLOCK = 1024
_NAMES = "WAV, FLAC, OGG, MP3 or AIFF"


@dataclass(frozen=True)
class Sound:
    """What a file holds."""

    samples: Samples
    rate: int
    coarse: bool
    """Of 8 bits a sample: tops of its waves are flat without being clipped."""


def require_libraries() -> None:
    """Raises SpecError when soundfile or soxr is not installed."""
    try:
        import soundfile  # noqa: F401, PLC0415
        import soxr  # noqa: F401, PLC0415
    except (ImportError, OSError) as error:
        line = " ".join(str(error).split())
        raise SpecError(
            f"modality = 'audio': {line}; pip install 'aigc[audio]' to read sounds"
        ) from None


def read(data: bytes, spec: PrepareSounds) -> Sound:
    """A sound file, decoded.

    Raises:
        RejectError: empty, not a sound of an allowed format, cut off (unless `spec.truncated` keeps
            it), longer than `spec.max_seconds`, of more than two channels, damaged.
    """
    import soundfile  # noqa: PLC0415

    if not data:
        raise RejectError("empty file")
    kind = format_of(data)
    if not kind:
        raise RejectError(looks_like(data) or f"not a sound: expected {_NAMES}")
    try:
        with quiet_decoder(kind), soundfile.SoundFile(io.BytesIO(data)) as file:
            _check_header(file, spec)
            samples, whole = _decoded(file, spec)
            rate, coarse = file.samplerate, file.subtype in _EIGHT_BITS
    except soundfile.SoundFileError as error:
        raise RejectError(_reason(error, data, kind)) from None
    if not len(samples):
        cut = not whole or is_cut_off(data, kind)
        raise RejectError("cut off before its first sample" if cut else "holds no samples")
    if spec.truncated == "reject" and (not whole or is_cut_off(data, kind)):
        raise RejectError(
            f"cut off or damaged after {len(samples) / rate:.2f} s; set truncated = keep to take "
            "what is there"
        )
    if not np.isfinite(samples).all():
        raise RejectError("holds values that are no numbers (NaN or infinite)")
    return Sound(samples, rate, coarse)


def _check_header(file: soundfile.SoundFile, spec: PrepareSounds) -> None:
    if file.format not in _ALLOWED:
        raise RejectError(f"{file.format}: expected {_NAMES}")
    if file.channels > _MOST_CHANNELS:
        raise RejectError(f"{file.channels} channels; mix it down to one or two")
    low, high = _RATES
    if not low <= file.samplerate <= high:
        raise RejectError(f"{file.samplerate:,} samples a second; expected {low:,} to {high:,}")
    if _is_known(file.frames) and file.frames > spec.max_seconds * file.samplerate:
        raise _too_long(f"lasts {file.frames / file.samplerate:,.1f} s", spec)


def _decoded(file: soundfile.SoundFile, spec: PrepareSounds) -> tuple[Samples, bool]:
    """All samples up to the first that cannot be decoded, and whether these are all that the header
    announces, where it does so."""
    import soundfile  # noqa: PLC0415

    most = int(spec.max_seconds * file.samplerate)
    blocks, count, whole = [np.empty((0, file.channels), np.float32)], 0, True
    while count <= most:
        try:
            block = file.read(_BLOCK, dtype="float32", always_2d=True)
        except soundfile.SoundFileError:
            whole = False
            break
        if not len(block):
            break
        blocks.append(block)
        count += len(block)
    if count > most:
        raise _too_long(f"lasts more than {spec.max_seconds:g} s", spec)
    return np.concatenate(blocks), whole and (not _is_known(file.frames) or count >= file.frames)


def _is_known(frames: int) -> bool:
    """libsndfile says 2^63 - 1 of a file whose header does not tell its length."""
    return 0 <= frames < 2**62


def _too_long(what: str, spec: PrepareSounds) -> RejectError:
    return RejectError(f"{what}, more than max_seconds = {spec.max_seconds:g}")


def _reason(error: Exception, data: bytes, kind: str) -> str:
    if is_cut_off(data, kind):
        return "cut off before its first sample"
    line = " ".join(str(getattr(error, "error_string", error)).split()).rstrip(".")
    return f"a damaged {kind.upper()} file: {line}"
