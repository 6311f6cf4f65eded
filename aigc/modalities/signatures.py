"""Files known by their first bytes: what is handed in where an item was expected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Signatures: TypeAlias = Sequence[tuple[int, bytes, str]]
"""Where the bytes stand, the bytes, and what the file is."""

HEAD_BYTES = 1024
"""So much of a file is looked at."""
CONTAINERS: Signatures = (
    (0, b"PAR1", "a Parquet file"),
    (0, b"PK\x03\x04", "a ZIP archive; unpack it"),
    (0, b"\x1f\x8b", "a gzip file; unpack it"),
    (0, b"Rar!", "a RAR archive; unpack it"),
    (0, b"7z\xbc\xaf", "a 7-Zip archive; unpack it"),
    (257, b"ustar", "a tar archive; unpack it"),
    (0, b"version https://git-lfs", "a pointer of Git LFS; run git lfs pull"),
)
"""Files of any content."""


def named(head: bytes, signatures: Signatures) -> str:
    """What the first of `signatures` that fits says; empty when none does."""
    fitting = (name for at, mark, name in signatures if head[at : at + len(mark)] == mark)
    return next(fitting, "")


def as_text(head: bytes) -> bytes:
    """In small letters, without a byte order mark and blanks in front."""
    return head.lower().lstrip(b"\xef\xbb\xbf \r\n\t")
