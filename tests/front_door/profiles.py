"""Small ICC profiles made by code, each with colours that differ clearly from sRGB."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence

_D50 = (0.9642, 1.0, 0.8249)


def _xyz(x: float, y: float, z: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in (x, y, z)))


def _gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256)) + b"\0\0"


def _desc() -> bytes:
    return b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78) + b"\0"


def _profile(
    space: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr", pcs: bytes = b"XYZ "
) -> bytes:
    tags = {b"desc": _desc(), b"cprt": b"text\0\0\0\0CC0\0", b"wtpt": _xyz(*_D50)} | tags
    at = 128 + 4 + 12 * len(tags)
    table, body = b"", b""
    for name, data in tags.items():
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = at + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02100000, kind, space, pcs)
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += struct.pack(">3i", *(round(value * 65536) for value in _D50))
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def rgb(order: Sequence[str] = "rgb", gamma: float = 1.0) -> bytes:
    """sRGB's primaries in another `order`, and another gamma."""
    columns = {"r": (0.4361, 0.2225, 0.0139), "g": (0.3851, 0.7169, 0.0971)}
    columns["b"] = (0.1431, 0.0606, 0.7141)
    tags = {
        f"{name}XYZ".encode(): _xyz(*columns[there])
        for name, there in zip("rgb", order, strict=True)
    }
    return _profile(b"RGB ", tags | {f"{name}TRC".encode(): _gamma(gamma) for name in "rgb"})


def grey(gamma: float = 1.0) -> bytes:
    return _profile(b"GRAY", {b"kTRC": _gamma(gamma)})


def cmyk() -> bytes:
    """Ink of any colour is grey of the mean coverage's lightness: no cyan in it."""
    curves = bytes(range(256))
    grid = [
        (round(255 * (1 - sum(ink) / 4)), 128, 128) for ink in itertools.product((0, 1), repeat=4)
    ]
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0])
    lut += struct.pack(">9i", *(65536 * (row == column) for row in range(3) for column in range(3)))
    lut += curves * 4 + b"".join(bytes(point) for point in grid) + curves * 3
    return _profile(b"CMYK", {b"A2B0": lut}, b"prtr", b"Lab ")
