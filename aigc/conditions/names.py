"""Normalises names, so that each class has one spelling."""

from __future__ import annotations

import unicodedata

_INVISIBLE = dict.fromkeys(
    (
        *(0xAD, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF),
        *(*range(0x202A, 0x202F), *range(0x2066, 0x206A)),
    )
)
"""Soft hyphens, zero-width spaces and direction marks, which copied text often contains. Joiners
are not included, because they change the look of words in some scripts."""


def class_name(text: str) -> str:
    """`text` in NFC, with single spaces and without invisible characters."""
    return unicodedata.normalize("NFC", " ".join(text.translate(_INVISIBLE).split()))
