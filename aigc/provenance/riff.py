"""RIFF files (WAV, WebP): chunks of a kind, a length and a body padded to an even length."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def riff_file(body: bytes) -> bytes:
    """A whole file; `body` starts with its form, `WAVE` or `WEBP`."""
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff_chunk(kind: bytes, body: bytes) -> bytes:
    """With its length, padded to an even one."""
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def riff_chunks(file: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of each chunk of a RIFF file, as far as it is whole."""
    at = 12
    while at + 8 <= len(file):
        length = int.from_bytes(file[at + 4 : at + 8], "little")
        if at + 8 + length > len(file):
            return
        yield file[at : at + 4], file[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
