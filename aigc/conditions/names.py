"""One spelling for each name."""

from __future__ import annotations

import unicodedata

_INVISIBLE = dict.fromkeys(
    (
        *(0xAD, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF),
        *(*range(0x202A, 0x202F), *range(0x2066, 0x206A)),
    )
)
"""Soft hyphens, blanks of no width, marks of direction and order, as copying from a web page or a
dialog leaves them. Joiners are not among them: they change how a word of some scripts looks."""


def class_name(text: str) -> str:
    """`text` with its accents composed (NFC), single spaces inside and nothing that cannot be seen:
    one spelling a class."""
    return unicodedata.normalize("NFC", " ".join(text.translate(_INVISIBLE).split()))
