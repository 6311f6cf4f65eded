"""A page to draw on, in units of which there are two pixels each way, so that text is crisp."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from aigc.modalities import lettering

Colour = str
INK, MUTED, FAINT = "#1b1f24", "#68717d", "#e4e7eb"
BLUE, GREY, GREEN, AMBER = "#2f6fde", "#aab4c0", "#1a7f4b", "#b3541e"
GREEN_LIGHT, AMBER_LIGHT = "#e3f5ea", "#fdeee2"

_SCALE = 2
_MAX_HEIGHT = 6000
_REPLACED = {ord("×"): "x", ord("–"): "-", ord("·"): "|", ord("…"): "..."}


class Canvas:
    """Top left is (0, 0); `png` cuts the page off at the height given."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._marks: list[Callable[[Image.Image, ImageDraw.ImageDraw], None]] = []
        """Drawn one after the other, once the page's height is known."""

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: int = 13,
        colour: Colour = INK,
        align: Literal["left", "right", "centre"] = "left",
    ) -> float:
        """One line, vertically centred on `y`; returns its width."""
        anchor = {"left": "lm", "right": "rm", "centre": "mm"}[align]
        text = _drawable(text)
        font = lettering.font(text, size * _SCALE)
        at = (x * _SCALE, y * _SCALE)
        self._marks.append(
            lambda _, draw: draw.text(at, text, fill=colour, anchor=anchor, font=font)
        )
        return float(font.getlength(text)) / _SCALE

    def lines(
        self, x: float, y: float, text: str, width: float, size: int, colour: Colour
    ) -> float:
        """`text` broken to `width`; returns the y below it."""
        line = ""
        for word in text.split():
            longer = f"{line} {word}".strip()
            if line and _width(longer, size) > width:
                self.text(x, y, line, size, colour)
                y, line = y + size * 1.45, word
            else:
                line = longer
        self.text(x, y, line, size, colour)
        return y + size * 1.45

    def shorten(self, text: str, width: float, size: int) -> str:
        """`text`, or as much of it as fits into `width`, and dots."""
        shown = text
        while _width(shown, size) > width:
            shown = shown.removesuffix("...")[:-1] + "..."
        return shown

    def box(
        self, x: float, y: float, width: float, height: float, colour: Colour, radius: float = 0
    ) -> None:
        corners = [v * _SCALE for v in (x, y, x + max(width, 0), y + height)]
        self._marks.append(
            lambda _, draw: draw.rounded_rectangle(corners, radius * _SCALE, fill=colour)
        )

    def picture(self, x: float, y: float, side: float, pixels: npt.NDArray[np.uint8]) -> None:
        """uint8 (H, W, C) fitted to a square of `side`: small images enlarged without blur."""
        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        enlarge = pixels.shape[0] <= side * _SCALE
        how = Image.Resampling.NEAREST if enlarge else Image.Resampling.LANCZOS
        edge = round(side * _SCALE)
        at = (round(x * _SCALE), round(y * _SCALE))
        fitted = image.convert("RGB").resize((edge, edge), how)
        self._marks.append(lambda page, _: page.paste(fitted, at))

    def png(self, height: float) -> bytes:
        size = self.width * _SCALE, min(round(height), _MAX_HEIGHT) * _SCALE
        page, buffer = Image.new("RGB", size, "white"), io.BytesIO()
        draw = ImageDraw.Draw(page)
        for mark in self._marks:
            mark(page, draw)
        page.save(buffer, "PNG")
        return buffer.getvalue()


def _drawable(text: str) -> str:
    return lettering.drawable(text.translate(_REPLACED))


def _width(text: str, size: int) -> float:
    shown = _drawable(text)
    return float(lettering.font(shown, size * _SCALE).getlength(shown)) / _SCALE
