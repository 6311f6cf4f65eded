"""DiffAugment (Zhao et al. 2020): the same kinds of change on real and fake, differentiable.

The discriminator then cannot learn a small data set by heart, and the generator does not learn the
changes, for it is judged through them. Pictures are float (B, C, H, W) in [-1, 1]; `uniform` gives
float (B,) tensors in [0, 1), one draw a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

Uniform = Callable[[], Tensor]

_SHIFT = 1 / 8
_HOLE = 1 / 2
_LEVEL = 1 / 2


def mirrored(pictures: Tensor, uniform: Uniform) -> Tensor:
    """Half of the pictures, chosen at random, with left and right exchanged. Unlike the other
    changes it is for real pictures alone, so the generator learns mirrored ones as well."""
    chosen = (uniform() < 0.5).view(-1, 1, 1, 1)
    return torch.where(chosen, pictures.flip(3), pictures)


def brightness(pictures: Tensor, uniform: Uniform) -> Tensor:
    """Add a constant in [-0.5, 0.5) to each picture."""
    return pictures + (uniform() - 0.5).view(-1, 1, 1, 1)


def translate(pictures: Tensor, uniform: Uniform) -> Tensor:
    """Move each picture by up to 1/8 of its sides; what comes in from outside is 0."""
    _, _, height, width = pictures.shape
    down = _whole(uniform(), -round(height * _SHIFT), round(height * _SHIFT))
    right = _whole(uniform(), -round(width * _SHIFT), round(width * _SHIFT))
    rows = torch.arange(height, device=pictures.device) - down[:, None]
    columns = torch.arange(width, device=pictures.device) - right[:, None]
    inside = _within(rows, height)[:, :, None] & _within(columns, width)[:, None, :]
    batch = torch.arange(len(pictures), device=pictures.device)[:, None, None]
    moved = pictures.permute(0, 2, 3, 1)[
        batch, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]
    ]
    return (moved * inside[..., None]).permute(0, 3, 1, 2)


def cutout(pictures: Tensor, uniform: Uniform) -> Tensor:
    """Blank a square of half the picture's sides, its centre anywhere, to 0."""
    _, _, height, width = pictures.shape
    outside_rows = _outside_hole(uniform(), height)
    outside_columns = _outside_hole(uniform(), width)
    keep = outside_rows[:, :, None] | outside_columns[:, None, :]
    return pictures * keep[:, None]


def delay(pictures: Tensor, uniform: Uniform) -> Tensor:
    """Spectrograms later by up to 1/8 of their length; silence, -1, comes before."""
    width = pictures.shape[3]
    right = _whole(uniform(), 0, round(width * _SHIFT))
    columns = torch.arange(width, device=pictures.device) - right[:, None]
    batch = torch.arange(len(pictures), device=pictures.device)[:, None]
    moved = pictures.permute(0, 3, 1, 2)[batch, columns.clamp_min(0)].permute(0, 2, 3, 1)
    return torch.where((columns >= 0)[:, None, None, :], moved, -1.0)


def level(pictures: Tensor, uniform: Uniform) -> Tensor:
    """Spectrograms louder or softer by up to 10 dB: -1 to 1 is 80 dB."""
    return pictures + _LEVEL * (uniform() - 0.5).view(-1, 1, 1, 1)


def mute(pictures: Tensor, uniform: Uniform) -> Tensor:
    """Silence, -1, in a rectangle of half a spectrogram's sides (SpecAugment, Park et al. 2019)."""
    return cutout(pictures + 1, uniform) - 1


AUGMENTATIONS: dict[str, Callable[[Tensor, Uniform], Tensor]] = {
    "translate": translate,
    "cutout": cutout,
    "brightness": brightness,
    "delay": delay,
    "level": level,
    "mute": mute,
}
"""The first three for images, the others for sounds."""


def augment(
    pictures: Tensor, policies: Iterable[str], uniform: Uniform, probability: float = 1.0
) -> Tensor:
    """`pictures` after each policy in turn, each applied to a picture with this probability."""
    for policy in policies:
        changed = AUGMENTATIONS[policy](pictures, uniform)
        if probability < 1:
            chosen = (uniform() < probability).view(-1, 1, 1, 1)
            changed = torch.where(chosen, changed, pictures)
        pictures = changed
    return pictures


def _whole(uniform: Tensor, low: int, high: int) -> Tensor:
    """Uniform integers in low..high, both included."""
    return (uniform * (high - low + 1)).long().clamp_max(high - low) + low


def _within(index: Tensor, size: int) -> Tensor:
    return (index >= 0) & (index < size)


def _outside_hole(uniform: Tensor, size: int) -> Tensor:
    """Bool (B, size): True where a row or column lies outside the hole."""
    hole = int(size * _HOLE)
    first = _whole(uniform, 0, size - 1) - hole // 2
    offset = torch.arange(size, device=uniform.device) - first[:, None]
    return (offset < 0) | (offset >= hole)
