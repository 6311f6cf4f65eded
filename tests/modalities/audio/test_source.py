"""Stored sounds, the planes they are compared by, and the sheet they are looked at on."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aigc.data.fingerprints import fingerprint
from aigc.modalities.audio import wav
from aigc.modalities.audio.source import AudioSource
from aigc.modalities.audio.spec import PrepareSounds
from aigc.modalities.base import Items
from tests.modalities.audio.sounds import RATE, Wave, encoded, hit, spec

SOURCE = AudioSource()
ITEM = SOURCE.item(spec())


def clip(wave: Wave, kind: str = "wav", rate: int = RATE) -> Items:
    return SOURCE.read(encoded(wave, kind, rate), spec())


def bits(left: Items, right: Items) -> int:
    first, second = fingerprint(np.stack([left, right]), SOURCE).phash
    return int(np.bitwise_count(first ^ second))


@settings(deadline=None)
@given(st.integers(1, 300), st.sampled_from([1, 2]), st.integers(4_000, 96_000), st.integers(0, 99))
def test_a_stored_sound_comes_back_and_other_programs_read_it(
    count: int, channels: int, rate: int, seed: int
) -> None:
    values = np.random.default_rng(seed).integers(-(2**15), 2**15, (count, channels))
    samples = values.astype(np.int16)
    data = wav.encode(samples, rate)
    assert np.array_equal(wav.decode(data, (count, channels), rate), samples)
    theirs, their_rate = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
    assert their_rate == rate
    assert np.array_equal(theirs, samples)


@pytest.mark.parametrize("damage", ["short", "long", "other rate", "other length", "not WAV"])
def test_a_stored_sound_that_is_damaged_is_refused(damage: str) -> None:
    data = SOURCE.encode(clip(hit(1))[None], ITEM)[0]
    wrong = {
        "short": data[:-1],
        "long": data + b"\0",
        "other rate": wav.encode(clip(hit(1)), 8_001),
        "other length": wav.encode(clip(hit(1))[:-1], 8_000),
        "not WAV": b"RIFX" + data[4:],
    }
    with pytest.raises(ValueError, match=r"WAV|bytes"):
        SOURCE.decode(wrong[damage], ITEM)


def test_a_plane_does_not_depend_on_its_neighbours() -> None:
    sounds = np.stack([clip(hit(seed)) for seed in range(6)])
    together = SOURCE.plane(sounds)
    assert together.shape == (6, 32, 64)
    assert ((together >= 0) & (together <= 255) & (together == np.rint(together))).all()
    for at in range(6):
        assert np.array_equal(SOURCE.plane(sounds[at : at + 1])[0], together[at])


@pytest.mark.parametrize("seed", [3, 4, 7])
@pytest.mark.parametrize("kind", ["flac", "ogg", "mp3", "aiff"])
def test_a_sound_in_another_format_is_a_near_duplicate(kind: str, seed: int) -> None:
    """Quieter, later and encoded with loss: a second of it at 16 kHz."""
    chosen = PrepareSounds(source="in", out="out")
    wave = hit(seed, 0.6, 44_100)
    late = np.concatenate([np.zeros((5_000, 1)), wave * 0.3])
    first = SOURCE.read(encoded(wave, "wav", 44_100), chosen)
    second = SOURCE.read(encoded(late, kind, 44_100), chosen)
    assert bits(first, second) <= chosen.near_duplicate_distance
    one, other = SOURCE.compared(np.stack([first, second]))
    assert SOURCE.distance(one[None], other[None])[0] < chosen.near_duplicate_rmse


def test_other_sounds_are_no_near_duplicates() -> None:
    sounds = np.stack([clip(hit(seed)) for seed in range(24)])
    one, other = np.triu_indices(24, 1)
    levels = SOURCE.compared(sounds)
    assert levels.shape == (24, 32, 64)
    assert levels.dtype == np.uint8
    distances = SOURCE.distance(levels[one], levels[other])
    assert distances.min() > spec().near_duplicate_rmse
    assert SOURCE.distance(levels, levels).max() == 0
    gaps = SOURCE.plane(sounds[one]) - SOURCE.plane(sounds[other])
    heard = (SOURCE.plane(sounds[one]) > 0) | (SOURCE.plane(sounds[other]) > 0)
    expected = np.sqrt(np.square(gaps).sum((1, 2)) / heard.sum((1, 2)))
    np.testing.assert_array_equal(distances, expected)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 500))
def test_thumbnail_and_mean_never_overstate_the_distance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = clip(hit(seed))
    noise = rng.normal(0, rng.uniform(1, 3000), first.shape)
    pair = np.stack([first, np.clip(first + noise, -32768, 32767).astype(np.int16)])
    prints = fingerprint(pair, SOURCE)
    levels = SOURCE.compared(pair)
    true = SOURCE.distance(levels[:1], levels[1:])[0]
    gap = prints.thumbnail[0].astype(float) - prints.thumbnail[1]
    assert np.sqrt(np.square(gap).mean()) <= true + 1
    assert abs(prints.mean[0] - prints.mean[1]) <= true + 1e-9


def test_the_spectrogram_is_where_the_sound_is() -> None:
    """A tone of 1 kHz in the second half of a clip at 8 kHz."""
    time = np.arange(2000) / 8_000
    tone = np.where(time >= 0.125, np.sin(2 * np.pi * 1_000 * time), 0)[:, None]
    plane = SOURCE.plane((tone * 30_000).astype(np.int16)[None])[0]
    assert plane[:, :28].max() == 0
    band = int(plane[:, 48].argmax())
    low, high = (0.5 * (128.5 / 0.5) ** (edge / 32) for edge in (band, band + 1))
    assert low <= 1_000 / 8_000 * 256 <= high
    assert plane[band, 48] > 200


def test_a_sheet_shows_each_sound_and_leaves_empty_places_white() -> None:
    sounds = np.zeros((6, *ITEM.shape), np.int16)
    sounds[0], sounds[4] = clip(hit(1)), clip(hit(2))
    with Image.open(
        io.BytesIO(SOURCE.sheet(sounds, 3, ["kick", "snare"])), formats=["PNG"]
    ) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    height = pixels.shape[0] // 2
    width = 130
    margin = pixels.shape[1] - 3 * width

    def cell(row: int, column: int) -> Items:
        top, left = row * height + 3, margin + column * width + 2
        return pixels[top : top + height - 6, left : left + width - 6]

    assert (cell(0, 1) == 255).all()
    assert (cell(1, 0) == 255).all()
    for row, column in ((0, 0), (1, 1)):
        assert len(np.unique(cell(row, column).reshape(-1, 3), axis=0)) > 20
