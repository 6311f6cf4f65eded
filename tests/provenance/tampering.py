"""Ways to falsify a signed file: each returns another file that may be taken for genuine."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from aigc.modalities.picture_formats import WRITTEN
from aigc.provenance import pictures

_TOKEN = bytes.fromhex("06092a864886f70d010702")
"""Object identifier at the beginning of a time-stamp token: CMS signed data."""


def change_pixel(file: bytes, random: np.random.Generator) -> bytes:
    """One byte of the compressed pixels differs, and the pictures still open or nearly so."""
    start, stop = pixel_bytes(file)
    at = int(random.integers(start, stop))
    broken = bytearray(file)
    broken[at] ^= 1 << int(random.integers(8))
    return bytes(broken)


def pixel_bytes(file: bytes) -> tuple[int, int]:
    """Where the compressed pixels of a PNG, JPEG or WebP file stand."""
    if file[:2] == b"\xff\xd8":
        return file.rindex(b"\xff\xda") + 12, len(file) - 2
    if file[:4] == b"RIFF":
        kind = b"VP8L" if b"VP8L" in file else b"VP8 "
        at = file.index(kind)
        return at + 18, at + 8 + int.from_bytes(file[at + 4 : at + 8], "little")
    at = file.index(b"IDAT")
    return at + 4, at + 4 + int.from_bytes(file[at - 4 : at], "big")


def change_metadata(file: bytes, old: bytes, new: bytes) -> bytes:
    """The same file with another word of the same length in its XMP packet."""
    packet = pictures.find(file)
    assert packet is not None
    assert old in packet
    assert len(old) == len(new)
    return file.replace(packet, packet.replace(old, new))


def move_credential(signed: bytes, other: bytes) -> bytes:
    """The JPEG file `other` with the credential of the JPEG file `signed`."""
    return other[:2] + b"".join(segments(signed, 0xEB)) + other[2:]


def segments(file: bytes, marker: int) -> list[bytes]:
    """Whole segments of a kind in a JPEG file."""
    found, at = [], 2
    while file[at + 1] != 0xDA:
        length = 2 + int.from_bytes(file[at + 2 : at + 4], "big")
        if file[at + 1] == marker:
            found.append(file[at : at + length])
        at += length
    return found


def token(file: bytes) -> bytes:
    """The time-stamp token of a signed JPEG file."""
    at = file.index(_TOKEN) - 4
    assert file[at : at + 2] == b"\x30\x82"
    return file[at : at + 4 + int.from_bytes(file[at + 2 : at + 4], "big")]


def swap_time_stamps(make: Callable[[], bytes]) -> tuple[bytes, bytes]:
    """Of signed JPEG files that `make` gives, two whose tokens have one length, each with the
    other's token."""
    seen: dict[int, bytes] = {}
    while True:
        file = make()
        stamp = token(file)
        if other := seen.get(len(stamp)):
            theirs = token(other)
            return file.replace(stamp, theirs), other.replace(theirs, stamp)
        seen[len(stamp)] = file


def reencode(file: bytes, scale: float = 1.0, quality: int = 80) -> bytes:
    """As JPEG without any metadata, resized."""
    with Image.open(io.BytesIO(file), formats=WRITTEN) as image:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        buffer = io.BytesIO()
        image.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(
            buffer, "JPEG", quality=quality
        )
    return buffer.getvalue()
