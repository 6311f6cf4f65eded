"""The kinds of files that are traced and checked, known by their first bytes."""

from __future__ import annotations

_KINDS = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (4, b"ftyp", "video/mp4"),
)
IN_WORDS = "PNG, JPEG, WebP, WAV, FLAC, Ogg, MP3 or MP4"
WITHOUT_CREDENTIALS = frozenset(("audio/ogg",))
"""C2PA does not say where in these files a credential stands."""


def media_type(file: bytes) -> str:
    """By its first bytes; empty for a file of another kind."""
    found = (name for at, mark, name in _KINDS if file[at : at + len(mark)] == mark)
    return next(found, "")
