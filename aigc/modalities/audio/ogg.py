"""Ogg files whose bytes follow from their content alone.

Encoders draw the serial number of a stream at random. It stands in the header of every page, which
ends with a checksum over the page (RFC 3533, 6).
"""

from __future__ import annotations

import struct
import zlib

SERIAL = 0x61696763
"""Of the only stream of each file: `aigc` in ASCII."""

_HEADER_BYTES = 27
_SERIAL_AT, _CHECKSUM_AT, _SEGMENTS_AT = 14, 22, 26
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
"""Each byte with its bits in the opposite order."""
_ONES = 0xFFFFFFFF


def with_serial(data: bytes, serial: int = SERIAL) -> bytes:
    """The file of one stream with another serial number.

    Raises:
        ValueError: `data` is not a sequence of whole Ogg pages.
    """
    pages, at = [], 0
    while at < len(data):
        page = bytearray(data[at : at + _page_bytes(data, at)])
        struct.pack_into("<I", page, _SERIAL_AT, serial)
        struct.pack_into("<I", page, _CHECKSUM_AT, 0)
        struct.pack_into("<I", page, _CHECKSUM_AT, checksum(bytes(page)))
        pages.append(bytes(page))
        at += len(page)
    return b"".join(pages)


def checksum(page: bytes) -> int:
    """CRC-32 with the polynomial 0x04C11DB7, highest bits first, from 0 (RFC 3533, 6). `zlib` has
    that of the opposite order of bits, from ones and inverted at its end."""
    found = zlib.crc32(page.translate(_REVERSED), _ONES) ^ _ONES
    return int(f"{found:032b}"[::-1], 2)


def _page_bytes(data: bytes, at: int) -> int:
    """The length of the page that begins at `at`."""
    header = data[at : at + _HEADER_BYTES]
    if len(header) == _HEADER_BYTES and header.startswith(b"OggS"):
        segments = header[_SEGMENTS_AT]
        lengths = data[at + _HEADER_BYTES :][:segments]
        size = _HEADER_BYTES + segments + sum(lengths)
        if len(lengths) == segments and at + size <= len(data):
            return size
    raise ValueError(f"no whole Ogg page at byte {at:,}")
