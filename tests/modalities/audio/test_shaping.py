from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc.modalities.audio.source import AudioSource
from aigc.modalities.audio.spec import PrepareSounds
from aigc.modalities.base import Items, RejectError
from tests.modalities.audio.sounds import RATE, Wave, encoded, hit, spec

SOURCE = AudioSource()


def made(wave: Wave, chosen: PrepareSounds, rate: int = RATE, **options: str) -> Items:
    return SOURCE.read(encoded(wave, rate=rate, **options), chosen)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 50),
    st.sampled_from([8_000, 11_025, 22_050, 44_100, 48_000, 96_000]),
    st.floats(0.03, 1.5),
    st.sampled_from([1, 2]),
    st.sampled_from([1, 2]),
    st.sampled_from(["peak", "rms", "keep"]),
)
def test_any_sound_has_the_shape_of_the_spec(
    seed: int, rate: int, seconds: float, sides: int, channels: int, loudness: str
) -> None:
    chosen = spec(channels=channels, loudness=loudness)
    clip = made(hit(seed, seconds, rate, sides), chosen, rate)
    item = SOURCE.item(chosen)
    assert (clip.shape, str(clip.dtype)) == (item.shape, item.dtype) == ((2000, channels), "int16")
    if loudness == "peak":
        assert np.abs(clip.astype(int)).max() == pytest.approx(32768 * 10 ** (-1 / 20), abs=1)


def test_the_silence_before_the_start_is_cut() -> None:
    wave = hit(1)
    late = np.concatenate([np.zeros((RATE // 2, 1)), wave])
    early, found = made(wave, spec()), made(late, spec())
    first = int(np.flatnonzero(np.abs(found[:, 0]) > 3_000)[0])
    assert 0.001 * 8_000 <= first <= 0.003 * 8_000
    assert np.abs(early.astype(int) - found).max() <= 2


def test_a_short_sound_ends_in_silence_and_a_long_one_is_faded() -> None:
    short = made(hit(1, 0.1), spec())
    assert not short[1200:].any()
    tone = np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE)[:, None] * 0.5
    long = made(tone, spec())
    assert abs(int(long[-1, 0])) < 400
    assert np.abs(long[-400:-100]).max() > 20_000


def test_a_sound_of_the_same_rate_is_kept_bit_by_bit() -> None:
    wave = np.round(hit(5, 0.25, 8_000) * 32767).astype(np.int16)
    clip = SOURCE.read(encoded(wave, rate=8_000), spec(loudness="keep"))
    start = int(np.flatnonzero(np.abs(wave[:, 0]) >= np.abs(wave).max() / 100)[0])
    kept = np.concatenate([np.zeros((16, 1), np.int16), wave])[start:][:2000]
    assert np.array_equal(clip[:1900], kept[:1900])


def test_the_pitch_stays() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)[:, None] * 0.5
    clip = made(tone, spec(), 44_100)[:, 0].astype(float)
    loudest = np.argmax(np.abs(np.fft.rfft(clip * np.hanning(len(clip)))))
    assert loudest * 8_000 / len(clip) == pytest.approx(440, abs=4)


def test_what_the_new_rate_cannot_hold_is_filtered_out() -> None:
    high = np.sin(2 * np.pi * 9_000 * np.arange(44_100) / 44_100)[:, None] * 0.5
    low = np.sin(2 * np.pi * 500 * np.arange(44_100) / 44_100)[:, None] * 0.1
    clip = made(high + low, spec(), 44_100)[100:-100, 0].astype(float)
    waves = np.abs(np.fft.rfft(clip * np.hanning(len(clip))))
    bin_hz = 8_000 / len(clip)
    assert waves[round(1_000 / bin_hz)] < 1e-3 * waves[round(500 / bin_hz)]  # 9 kHz folded


def test_stereo_becomes_mono_by_its_mean_and_mono_becomes_two_equal_sides() -> None:
    both = hit(7, channels=2)
    mono = made(both.mean(axis=1, keepdims=True), spec())
    assert np.abs(made(both, spec()).astype(int) - mono).max() <= 2
    doubled = made(hit(7), spec(channels=2))
    assert np.array_equal(doubled[:, 0], doubled[:, 1])


def test_rms_is_that_of_what_sounds() -> None:
    tone = np.sin(2 * np.pi * 300 * np.arange(RATE // 10) / RATE)[:, None] * 0.05
    clip = made(tone, spec(loudness="rms", level_db=-12.0)).astype(float) / 32768
    sounding = clip[16:780]
    assert 20 * np.log10(np.sqrt(np.square(sounding).mean())) == pytest.approx(-12, abs=0.3)
    click = np.zeros((RATE // 10, 1))
    click[10:13] = 0.3
    loud = made(click, spec(loudness="rms", level_db=-3.0))
    assert np.abs(loud.astype(int)).max() >= 32766  # as loud as can be, not clipped


def test_the_level_of_the_file_does_not_matter() -> None:
    wave = hit(9)
    quiet, loud = (made(wave * gain, spec(), subtype="FLOAT") for gain in (0.05, 0.9))
    assert np.abs(quiet.astype(int) - loud).max() <= 1


SILENT = {
    "zeros": np.zeros((RATE, 1)),
    "a constant": np.full((RATE, 1), 0.3),
    "noise below silence_db": np.random.default_rng(0).normal(0, 1e-4, (RATE, 1)),
}


@pytest.mark.parametrize("name", SILENT)
def test_silence_is_rejected(name: str) -> None:
    with pytest.raises(RejectError, match="silent: nothing above silence_db = -60"):
        made(SILENT[name], spec(), subtype="FLOAT")


def test_what_is_silent_is_the_users_choice() -> None:
    noise = SILENT["noise below silence_db"]
    assert made(noise, spec(silence_db=-90.0), subtype="FLOAT").any()


def test_channels_that_cancel_each_other_out_are_rejected() -> None:
    wave = hit(1)
    both = np.concatenate([wave, -wave], axis=1)
    with pytest.raises(RejectError, match="cancel each other out; set channels = 2"):
        made(both, spec())
    assert made(both, spec(channels=2)).any()


def test_a_clipped_sound_is_rejected_and_one_at_full_scale_is_not() -> None:
    wave = hit(3) / 0.8
    assert made(wave * 0.999, spec()).any()
    with pytest.raises(RejectError, match=r"clipped: \d+\.\d% of its loudest part"):
        made(np.clip(wave * 8, -1, 1), spec())
    assert made(np.clip(wave * 8, -1, 1), spec(max_clipped=1)).any()


def test_sounds_of_eight_bits_have_flat_tops_that_are_not_clipped() -> None:
    deep = np.sin(2 * np.pi * 30 * np.arange(RATE // 2) / RATE)[:, None]
    assert made(deep, spec(), subtype="PCM_U8").any()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rate": 100}, "rate"),
        ({"seconds": 0}, "seconds"),
        ({"channels": 3}, "channels"),
        ({"level_db": 3.0}, "level_db"),
        ({"seconds": 0.01, "rate": 8_000}, "expected 256 samples or more"),
        ({"seconds": 60, "rate": 96_000}, "expected at most 4,194,304 samples"),
        ({"size": 64}, "size"),
        ({"seconds": True}, "seconds"),
    ],
)
def test_a_spec_that_cannot_be_right_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spec(**fields)
