from __future__ import annotations

import numpy as np
import pytest

from aigc.provenance.watermark import plane as planes
from aigc.provenance.watermark.codes import AMPLITUDES, waves
from tests.provenance.watermark.shown import product, smooth

HALF = AMPLITUDES // 2


@pytest.mark.parametrize(("height", "width"), [(128, 128), (130, 161)])
def test_a_pattern_is_the_sum_of_its_waves(height, width) -> None:
    carry, short = waves(), min(height, width)
    code = np.zeros(AMPLITUDES)
    chosen = {3: 1.5, 4000: -2.0, HALF + 77: 0.5, HALF + 4095: 1.0}
    expected = np.zeros((height, width))
    down = (np.arange(height)[:, None] + 0.5) / short
    across = (np.arange(width)[None] + 0.5) / short
    for at, value in chosen.items():
        code[at] = value
        angle = 2 * np.pi * (carry.down[at % HALF] * down + carry.across[at % HALF] * across)
        expected += value * (np.cos(angle) if at < HALF else np.sin(angle))
    assert planes.pattern(code, height, width) == pytest.approx(expected, abs=1e-9)


def test_amplitudes_are_read_back_also_from_a_part() -> None:
    code = np.random.default_rng(0).normal(size=AMPLITUDES)
    whole = planes.pattern(code, 128, 128)
    found = planes.amplitudes(planes.projected(whole))
    assert found == pytest.approx(code * 128 * 128 / 2)
    part = planes.projected(whole[10:125, 4:119], 115 / 128)
    found = planes.amplitudes(part, 10 / 128, 4 / 128)
    likeness = found @ code / np.linalg.norm(found) / np.linalg.norm(code)
    assert likeness > 0.85


def test_luminance_of_grey_and_colour() -> None:
    grey = smooth(64, channels=1)
    shown = np.repeat(grey, 3, axis=2)
    assert planes.luminance(shown) == pytest.approx(planes.luminance(grey), abs=1e-3)


def test_the_plane_is_small_and_keeps_its_mean() -> None:
    grey = planes.luminance(product(300)[:200], np.float64)
    small = planes.reduced(grey)
    assert small.shape == (128, 192)
    assert small.mean() == pytest.approx(grey.mean())
    assert planes.reduced(small) is small


def test_a_flat_picture_is_whitened_to_nothing() -> None:
    for level in (0, 255):
        flat = np.full((100, 100), level, np.float32)
        assert np.abs(planes.limited(*planes.detail(flat))).max() < 1e-3
        assert np.isfinite(planes.whitened(flat)).all()


def test_whitening_evens_out_places_and_frequencies() -> None:
    grey = planes.luminance(product(), np.float64)
    flat = planes.whitened(grey)
    power = np.square(np.abs(np.fft.rfft2(flat)))
    slow, fast = power[8:16, 8:16].mean(), power[28:36, 28:36].mean()
    before = np.square(np.abs(np.fft.rfft2(planes.reduced(grey))))
    ratio = before[8:16, 8:16].mean() / before[28:36, 28:36].mean()
    assert ratio > 5 * max(slow / fast, fast / slow) or max(slow / fast, fast / slow) < 4
