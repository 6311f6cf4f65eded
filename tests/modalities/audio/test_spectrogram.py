"""Spectrograms of sounds and back: how exact, always the same, row by row."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from aigc.families.networks.shapes import pyramid
from aigc.modalities.audio.spectrogram import BANDS, MelPictures

RATE = 16_000
SECOND = MelPictures(RATE, RATE, 1)


def sounds(count: int, samples: int = RATE, channels: int = 1) -> Tensor:
    """Struck bodies: a few decaying sines and some noise, each other's."""
    rng = np.random.default_rng(0)
    time = np.arange(samples) / RATE
    made = np.zeros((count, channels, samples))
    for row in range(count):
        for _ in range(3):
            pitch, decay = rng.uniform(80, 3000), rng.uniform(5, 40)
            sine = np.sin(2 * np.pi * pitch * time) * np.exp(-decay * time)
            made[row] += rng.uniform(0.1, 0.3) * sine
        noise = rng.standard_normal((channels, samples))
        made[row] += 0.1 * noise * np.exp(-rng.uniform(5, 40) * time)
    return torch.from_numpy(made).float().clamp(-1, 1)


@pytest.mark.parametrize(
    ("samples", "rate", "channels"),
    [(256, 4000, 1), (3333, 16_000, 1), (16_000, 16_000, 1), (16_384, 16_000, 2),
     (33_075, 22_050, 1), (44_100, 44_100, 2), (96_000, 48_000, 1)],
)  # fmt: skip
def test_any_length_has_a_picture_that_networks_make(
    samples: int, rate: int, channels: int
) -> None:
    sizes = MelPictures(samples, rate, channels)
    assert sizes.shape == (channels, BANDS, sizes.columns)
    assert pyramid(BANDS, sizes.columns).doublings >= 1
    assert 0.01 <= sizes.hop / rate <= 0.024
    clip = sounds(2, samples, channels)
    pictures = sizes.pictures(clip)
    assert pictures.shape == (2, *sizes.shape)
    assert pictures.min() >= -1
    assert pictures.max() <= 1
    assert sizes.restored(pictures).shape == clip.shape


def test_a_full_scale_sine_is_near_the_top_of_its_band_and_silence_the_bottom() -> None:
    time = torch.arange(RATE) / RATE
    sine = torch.sin(2 * math.pi * 440 * time)
    pictures = SECOND.pictures(torch.stack([sine, torch.zeros(RATE)])[:, None])
    middle = pictures[0, 0, :, 30]
    assert 0.6 < float(middle.max()) <= 1
    assert float(middle[middle.argmax() + 20]) < -0.4
    assert bool((pictures[1] == -1).all())


def test_levels_are_decibels() -> None:
    loud = sounds(3)
    difference = SECOND.pictures(loud) - SECOND.pictures(0.1 * loud)
    audible = SECOND.pictures(0.1 * loud) > 0
    assert float((difference[audible] - 0.5).abs().max()) < 0.01  # 20 of 80 dB, of 2


def test_the_way_back_and_forth_changes_little() -> None:
    clip = sounds(8)
    pictures = SECOND.pictures(clip)
    error = (SECOND.pictures(SECOND.restored(pictures)) - pictures).abs()
    assert float(error.mean()) < 0.025  # 1 dB
    loud = pictures > 0
    assert float(error[loud].mean()) < 0.02


def test_silence_comes_back_as_silence() -> None:
    silent = torch.full((2, *SECOND.shape), -1.0)
    assert not SECOND.restored(silent).any()


def test_the_attack_stays_at_the_start() -> None:
    clip = sounds(6)
    again = SECOND.restored(SECOND.pictures(clip))
    for sound in (clip, again):
        energy = sound.square().flatten(1)
        early, late = energy[:, :1600].sum(1), energy[:, 8000:].sum(1)
        assert bool((early > 3 * late).all())


def test_a_row_follows_from_its_own_picture_alone() -> None:
    """To the bit: an item is the same beside any others, at any place."""
    pictures = SECOND.pictures(sounds(9))
    together = SECOND.restored(pictures)
    filled = pictures[4:5].expand(9, -1, -1, -1)
    assert torch.equal(SECOND.restored(filled)[0], together[4])
    assert torch.equal(SECOND.restored(filled)[8], together[4])
    assert torch.equal(SECOND.restored(pictures.flip(0)).flip(0), together)
    for at in range(9):
        assert torch.equal(SECOND.restored(pictures[at : at + 1])[0], together[at])


def test_overlapping_windows_are_torchs() -> None:
    for sizes in (SECOND, MelPictures(2000, 8000, 1), MelPictures(9_001, 44_100, 1)):
        spectrum = sizes._spectrum(torch.rand(3, sizes.samples) - 0.5)
        window = torch.hann_window(sizes.window)
        expected = torch.istft(
            spectrum, sizes.window, sizes.hop, window=window, length=sizes._length
        )
        made = sizes._sounds(spectrum)
        assert made.shape == expected.shape
        inside = slice(0, (sizes.columns - 1) * sizes.hop)
        torch.testing.assert_close(made[:, inside], expected[:, inside], rtol=0, atol=1e-5)


def test_rows_that_fill_up_a_micro_batch_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = SECOND.pictures(sounds(3))
    filled = torch.cat([pictures, pictures[-1:].expand(5, -1, -1, -1)])
    made, rows = SECOND.restored(pictures), []
    plain = MelPictures._restored

    def counted(self: MelPictures, part: Tensor) -> Tensor:
        rows.append(len(part))
        return plain(self, part)

    monkeypatch.setattr(MelPictures, "_restored", counted)
    assert torch.equal(SECOND.restored(filled), made[[0, 1, 2, 2, 2, 2, 2, 2]])
    assert sum(rows) == 3


def test_threads_change_nothing() -> None:
    pictures = SECOND.pictures(sounds(5))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = SECOND.restored(pictures)
        torch.set_num_threads(2)
        assert torch.equal(SECOND.restored(pictures), alone)
    finally:
        torch.set_num_threads(before)


def test_parts_of_bounded_memory_make_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = SECOND.pictures(sounds(5))
    whole = SECOND.restored(pictures)
    monkeypatch.setattr("aigc.modalities.audio.spectrogram._AT_ONCE", 2 * 513 * 64)
    assert torch.equal(SECOND.restored(pictures), whole)


def test_what_is_not_finite_stays_so_and_spares_its_neighbours() -> None:
    pictures = SECOND.pictures(sounds(3))
    spoilt = pictures.clone()
    spoilt[1, 0, 5, 5] = math.nan
    made = SECOND.restored(spoilt)
    assert not made[1].isfinite().all()
    assert torch.equal(made[[0, 2]], SECOND.restored(pictures)[[0, 2]])


def test_both_channels_of_a_stereo_sound_are_their_own() -> None:
    stereo = MelPictures(RATE, RATE, 2)
    clip = sounds(2, channels=2)
    made = stereo.restored(stereo.pictures(clip))
    left = SECOND.restored(SECOND.pictures(clip[:, :1]))
    assert torch.equal(made[:, :1], left)
