"""Text on pictures, in any language: fonts, and what is written for characters that they lack.

ASCII is set in Pillow's own font, as it always was. Other text is set in DejaVu Sans (`fonts/`),
which has the Latin, Greek, Cyrillic, Armenian and Georgian scripts. A character of another script
(Arabic, Chinese, Hebrew, Japanese, Korean, Thai, emoji) is written as its code point, `<U+732B>`.

Labels on pictures are set in Noto Sans SC Bold, of which ASCII and the Chinese characters that such
labels use are shipped.
"""

from __future__ import annotations

import functools
import unicodedata
from pathlib import Path

from PIL import ImageFont

_FONT = Path(__file__).with_name("fonts") / "DejaVuSans-subset.ttf"
_LABELS = _FONT.with_name("NotoSansSC-Bold-subset.otf")
_MISSING = "\uffff"
"""No character; every font shows its sign for a missing one."""


def drawable(text: str) -> str:
    """`text` in characters that `font` has, composed; others as their code points."""
    if text.isascii() and text.isprintable():
        return text
    composed = unicodedata.normalize("NFC", text)
    return "".join(c if _has(c) else f"<U+{ord(c):04X}>" for c in composed)


def font(text: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font to draw `text` in, which is `drawable`; `size` in pixels."""
    return _built_in(size) if text.isascii() else _shipped(size)


@functools.cache
def bold(size: int) -> ImageFont.FreeTypeFont:
    """The font of visible labels; `size` in pixels."""
    return ImageFont.truetype(str(_LABELS), size)


def lacks(text: str) -> str:
    """The characters of `text` that the font of visible labels does not have."""
    return "".join(sorted({c for c in text if not _drawn_by(bold(24), c)}))


@functools.cache
def _has(character: str) -> bool:
    if not character.isprintable():
        return False
    return _drawn_by(_shipped(24), character)


def _drawn_by(shipped: ImageFont.FreeTypeFont, character: str) -> bool:
    found = shipped.getmask(character)
    missing = shipped.getmask(_MISSING)
    return (found.size, bytes(found)) != (missing.size, bytes(missing))


@functools.cache
def _built_in(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


@functools.cache
def _shipped(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_FONT), size)
