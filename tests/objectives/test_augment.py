from __future__ import annotations

import numpy as np
import pytest
import torch

from aigc.objectives.augment import (
    AUGMENTATIONS,
    Uniform,
    augment,
    brightness,
    cutout,
    delay,
    level,
    mirrored,
    mute,
    translate,
)


def constant(value: float, count: int) -> Uniform:
    return lambda: torch.full((count,), value)


def random(count: int, seed: int = 0) -> Uniform:
    generator = np.random.default_rng(seed)
    return lambda: torch.from_numpy(generator.random(count, dtype=np.float32))


def test_brightness_adds_a_constant() -> None:
    pictures = torch.zeros(2, 1, 4, 4)
    assert torch.allclose(brightness(pictures, constant(0.75, 2)), torch.full_like(pictures, 0.25))


def test_translation_moves_and_fills_with_zero() -> None:
    pictures = torch.arange(64.0).view(1, 1, 8, 8)
    moved = translate(pictures, constant(0.999, 1))
    assert torch.equal(moved[0, 0, 1:, 1:], pictures[0, 0, :-1, :-1])
    assert (moved[0, 0, 0] == 0).all()
    assert (moved[0, 0, :, 0] == 0).all()
    assert torch.equal(translate(pictures, constant(0.5, 1)), pictures)


def test_cutout_blanks_a_square_of_half_the_side() -> None:
    blank = cutout(torch.ones(1, 1, 8, 8), constant(0.5, 1)) == 0
    assert blank.sum() == 16


def test_delay_moves_a_spectrogram_to_the_right_and_fills_with_silence() -> None:
    pictures = torch.arange(128.0).view(1, 1, 8, 16)
    later = delay(pictures, constant(0.999, 1))
    assert (later[..., :2] == -1).all()
    assert torch.equal(later[..., 2:], pictures[..., :-2])
    assert torch.equal(delay(pictures, constant(0, 1)), pictures)


def test_level_is_up_to_a_quarter_of_the_range_to_either_side() -> None:
    pictures = torch.zeros(1, 1, 4, 4)
    assert level(pictures, constant(0, 1)).max() == -0.25  # of 2 for 80 dB: 10 dB
    assert level(pictures, constant(0.5, 1)).max() == 0


def test_mute_silences_a_rectangle() -> None:
    muted = mute(torch.ones(1, 1, 8, 8), constant(0.5, 1))
    assert (muted == -1).sum() == 16
    assert (muted == 1).sum() == 48


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_gradients_reach_the_picture(name: str) -> None:
    pictures = torch.randn(4, 3, 8, 8, requires_grad=True)
    changed = AUGMENTATIONS[name](pictures, random(4))
    assert changed.shape == pictures.shape
    changed.sum().backward()
    assert pictures.grad is not None
    assert pictures.grad.abs().sum() > 0


def test_each_picture_gets_its_own_draw_and_the_same_draws_repeat() -> None:
    pictures = torch.ones(16, 1, 8, 8)
    policies = ("translate", "cutout", "brightness")
    first, again = (augment(pictures, policies, random(16)) for _ in range(2))
    assert torch.equal(first, again)
    assert len({tuple(picture.flatten().tolist()) for picture in first}) > 10
    assert augment(pictures, (), random(16)) is pictures


def test_only_the_chosen_share_is_augmented() -> None:
    pictures = torch.zeros(4000, 1, 2, 2)
    changed = augment(pictures, ["brightness"], random(4000), 0.25).flatten(1).any(1)
    assert changed.float().mean().item() == pytest.approx(0.25, abs=0.03)


def test_mirrored_pictures_are_whole() -> None:
    pictures = torch.arange(4.0).view(1, 1, 1, 4).expand(2, -1, -1, -1)
    draws = torch.tensor([0.4, 0.6])
    turned, same = mirrored(pictures, lambda: draws).squeeze().tolist()
    assert (turned, same) == ([3, 2, 1, 0], [0, 1, 2, 3])
