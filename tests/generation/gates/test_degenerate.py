from __future__ import annotations

import numpy as np
import pytest

from aigc.data.dataset import open_dataset
from aigc.generation.gates.degenerate import degenerate
from aigc.job.keys import Samples
from aigc.modalities import MODALITIES
from aigc.specs import DegenerateGate
from tests.generation.gates.pictures import pictures, some


def refused(batch: Samples, **fields: float) -> dict[str, list[int]]:
    found = degenerate(batch, DegenerateGate(**fields), MODALITIES["image"].delivery)
    return {reason: np.flatnonzero(rows).tolist() for reason, rows in found.items()}


@pytest.mark.parametrize("channels", [1, 3])
def test_flat_burnt_out_and_broken_pictures_are_named(channels: int) -> None:
    pixels = some(4, channels=channels).items
    pixels[1] = 77
    pixels[2] = np.where(pixels[2] > 128, 255, 0)
    finite = np.array([True, True, True, False])
    assert refused(Samples(pixels, {}, finite)) == {
        "not_finite": [3],
        "blank": [1],
        "saturated": [2],
    }


def test_the_limits_are_the_specs() -> None:
    pixels = np.full((2, 16, 16, 1), 100, np.uint8)
    pixels[:, ::2] += 6
    pixels[1, :4] = 255
    deviation = float(pixels[0].std())
    assert refused(pictures(pixels), min_std=deviation)["blank"] == []
    assert refused(pictures(pixels), min_std=deviation + 1e-6)["blank"] == [0]
    assert refused(pictures(pixels), max_saturated=0.25)["saturated"] == []
    assert refused(pictures(pixels), max_saturated=0.249)["saturated"] == [1]


def test_colours_of_one_grey_are_flat_too() -> None:
    pixels = np.zeros((1, 16, 16, 3), np.uint8)
    pixels[0, :8] = (90, 60, 30)
    pixels[0, 8:] = (30, 60, 90)
    assert refused(pictures(pixels))["blank"] == [0]


def test_real_pictures_pass(digits_data: str) -> None:
    pixels, _ = open_dataset(digits_data).read("train")
    assert refused(pictures(pixels)) == {"not_finite": [], "blank": [], "saturated": []}
