"""Decoded sounds to clips of one length, rate, number of channels and loudness.

In this order: reject what is silent or clipped, mix to the channels asked for, cut the silence
before the start, resample (soxr, high quality), cut or pad at the end, scale, round to 16 bits.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from aigc.modalities.audio.reading import Samples, Sound
from aigc.modalities.audio.spec import PrepareSounds
from aigc.modalities.base import RejectError

_PRE_ROLL_S = 0.002
"""Before the first sample that sounds, in every clip: there lies what resampling rings ahead."""
_SPARE_S = 0.05
"""Resampled beyond the end of a clip, so that the filter sees what follows."""
_FADE_S = 0.01
_WINDOW_S = 0.05
_RUN = 3
_NEAR_FULL_SCALE = 0.98
_FULL_SCALE = 32768


def shape(sound: Sound, spec: PrepareSounds) -> npt.NDArray[np.int16]:
    """One clip, int16 (spec.samples, spec.channels).

    Raises:
        RejectError: silent, clipped, or its channels cancel each other out.
    """
    samples = sound.samples
    if _peak(samples - samples.mean(axis=0)) < _gain(spec.silence_db):
        raise RejectError(f"silent: nothing above silence_db = {spec.silence_db:g}")
    share = 0.0 if sound.coarse else clipped_share(samples, sound.rate)
    if share > spec.max_clipped:
        raise RejectError(
            f"clipped: {share:.1%} of its loudest part, more than max_clipped = "
            f"{spec.max_clipped:.1%}"
        )
    mixed = _mixed(samples, spec.channels)
    if _peak(mixed) < _gain(spec.silence_db):
        raise RejectError("its two channels cancel each other out; set channels = 2")
    clip = _resampled(_from_start(mixed, sound.rate, spec), sound.rate, spec)
    scaled = _scaled(_of_length(clip, spec), spec)
    whole = np.rint(scaled * _FULL_SCALE).clip(-_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)
    if not whole.any():
        raise RejectError("silent at 16 bits; set loudness = peak")
    return whole


def clipped_share(samples: Samples, rate: int) -> float:
    """The largest share of 50 ms, in 0..1, that is clipped in one of the channels of (T, C).

    A sample is clipped when it and two neighbours or more lie at the channel's highest level, and
    that near full scale.
    """
    window = max(1, min(len(samples), round(_WINDOW_S * rate)))
    shares = [_clipped(channel, window) for channel in samples.T]
    return max(shares)


def _clipped(channel: npt.NDArray[np.float32], window: int) -> float:
    top = float(np.abs(channel).max())
    if top < _NEAR_FULL_SCALE:
        return 0.0
    found = np.zeros(len(channel), np.int64)
    for flat in (channel >= top * (1 - 1e-4), channel <= -top * (1 - 1e-4)):
        edges = np.flatnonzero(np.diff(flat, prepend=False, append=False))
        for start, stop in edges.reshape(-1, 2):
            if stop - start >= _RUN:
                found[start:stop] = 1
    sums = np.concatenate([[0], np.cumsum(found)])
    return float((sums[window:] - sums[:-window]).max()) / window


def _mixed(samples: Samples, channels: int) -> Samples:
    if samples.shape[1] == channels:
        return samples
    if channels == 1:
        mean: Samples = samples.mean(axis=1, keepdims=True)
        return mean
    return np.repeat(samples, channels, axis=1)


def _from_start(samples: Samples, rate: int, spec: PrepareSounds) -> Samples:
    """From 2 ms before the first sample that sounds, not much longer than a clip."""
    loud = np.abs(samples).max(axis=1) >= _peak(samples) * _gain(spec.start_db)
    start = int(np.argmax(loud)) - round(_PRE_ROLL_S * rate)
    length = math.ceil((spec.samples / spec.rate + _SPARE_S) * rate)
    return np.pad(samples, ((max(0, -start), 0), (0, 0)))[max(0, start) :][:length]


def _resampled(samples: Samples, rate: int, spec: PrepareSounds) -> Samples:
    if rate == spec.rate:
        return samples
    import soxr  # noqa: PLC0415

    made: Samples = soxr.resample(np.ascontiguousarray(samples), rate, spec.rate, quality="HQ")
    return made


def _of_length(samples: Samples, spec: PrepareSounds) -> Samples:
    """(spec.samples, C): cut with a fade of 10 ms, or with silence after its end."""
    count = spec.samples
    if len(samples) < count:
        return np.pad(samples, ((0, count - len(samples)), (0, 0)))
    cut = samples[:count].copy()
    if len(samples) > count:
        fade = max(1, min(round(_FADE_S * spec.rate), count // 10))
        cut[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    return cut


def _scaled(samples: Samples, spec: PrepareSounds) -> npt.NDArray[np.float64]:
    """With the loudness of the spec, float64."""
    wide = samples.astype(np.float64)
    highest = _peak(samples)
    if spec.loudness == "keep" or highest == 0:
        return wide
    if spec.loudness == "peak":
        return wide * (_gain(spec.target_db) / highest)
    sounding = np.flatnonzero(np.abs(samples).max(axis=1) >= highest * _gain(spec.silence_db))
    power = np.square(wide[sounding[0] : sounding[-1] + 1]).mean()
    return wide * min(_gain(spec.target_db) / math.sqrt(power), 1 / highest)


def _peak(samples: npt.NDArray[np.floating]) -> float:
    return float(np.abs(samples).max(initial=0))


def _gain(decibels: float) -> float:
    return float(10 ** (decibels / 20))
