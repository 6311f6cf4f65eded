"""A label that people see, drawn on pixels before they are encoded.

GB 45438-2025 asks for letters of at least five per cent of the shorter side. The height is that of
a capital letter's ink; Chinese characters are higher. It never falls below what can be read.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from aigc.errors import SpecError
from aigc.modalities import lettering
from aigc.provenance.profiles import Wording
from aigc.types import UInt8Images

_READABLE = 7
"""Pixels of a capital letter below which nobody reads it."""
_PLATE, _PLATE_OPACITY, _INK = 0, 0.6, 255


@dataclass(frozen=True)
class Stencil:
    """What is blended into a corner: `value` and `opacity`, uint16 (h, w) in 0..255 and 0..256."""

    value: npt.NDArray[np.uint16]
    opacity: npt.NDArray[np.uint16]


def draw(pixels: UInt8Images, wording: Wording) -> UInt8Images:
    """uint8 (N, H, W, C) with the label on a dark plate in its corner; a new array.

    Raises SpecError when the words do not fit on images of that size.
    """
    _, height, width, _ = pixels.shape
    stencil = stencil_for(wording.text, wording.height, height, width)
    tall, wide = stencil.value.shape
    rows = slice(0, tall) if wording.corner.startswith("top") else slice(height - tall, height)
    columns = slice(0, wide) if wording.corner.endswith("left") else slice(width - wide, width)
    drawn = pixels.copy()
    corner = drawn[:, rows, columns].astype(np.uint16)
    value, opacity = stencil.value[..., None], stencil.opacity[..., None]
    mixed = corner * (256 - opacity) + value * opacity
    drawn[:, rows, columns] = (mixed >> 8).astype(np.uint8)
    return drawn


@functools.lru_cache(maxsize=256)
def stencil_for(text: str, share: float, height: int, width: int) -> Stencil:
    """For images of `height` x `width`. Raises SpecError when the words do not fit."""
    if missing := lettering.lacks(text):
        raise SpecError(f"provenance.visible.text: the font of labels does not have {missing!r}")
    capital = max(_READABLE, math.ceil(share * min(height, width)))
    font = _font(text, capital)
    left, top, right, bottom = (int(edge) for edge in font.getbbox(text))
    margin = max(2, capital // 3)
    wide, tall = right - left + 2 * margin, bottom - top + 2 * margin
    if wide > width or tall > height:
        raise SpecError(
            f"provenance.visible: {text!r} takes {wide} x {tall} pixels with letters of {capital}, "
            f"images have {width} x {height}; shorten visible.text or enlarge width and height"
        )
    ink = Image.new("L", (wide, tall), 0)
    ImageDraw.Draw(ink).text((margin - left, margin - top), text, fill=255, font=font)
    share_of_ink = np.asarray(ink, np.float64) / 255
    opacity = _PLATE_OPACITY + (1 - _PLATE_OPACITY) * share_of_ink
    value = (_INK * share_of_ink + _PLATE * (1 - share_of_ink) * _PLATE_OPACITY) / opacity
    return Stencil(np.rint(value).astype(np.uint16), np.rint(opacity * 256).astype(np.uint16))


def capital_height(font: ImageFont.FreeTypeFont) -> int:
    """Rows of a capital letter that are at least half covered."""
    mask = font.getmask("E")
    rows = np.frombuffer(bytes(mask), np.uint8).reshape(mask.size[1], mask.size[0])
    return int((rows.max(axis=1) >= 128).sum())


def _font(text: str, capital: int) -> ImageFont.FreeTypeFont:
    """The smallest font whose capital letters have at least `capital` rows of ink."""
    size = capital
    while capital_height(font := lettering.bold(size)) < capital:
        size += 1
    return font
