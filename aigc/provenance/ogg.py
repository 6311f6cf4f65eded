"""Vorbis comments, and the comment header of Ogg streams (RFC 3533, RFC 7845, Vorbis I, 5).

Headers are put into pages anew: the first header alone in the first page, the comments and, for
Vorbis, the setup in those behind it. Pages of sound keep their bytes, but for number and checksum
where the headers take more or fewer pages than before.
"""

from __future__ import annotations

import dataclasses
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aigc import __version__

_OPUS, _VORBIS = b"OpusTags", b"\x03vorbis"
_HEADERS = {b"OpusHead": 2, b"\x01vorbis": 3}
"""Header packets of a stream, by how its first begins."""
_MOST_SEGMENTS = 255
_CONTINUED = 1
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
"""Each byte with its bits in the opposite order."""
_ONES = 0xFFFFFFFF


@dataclass(frozen=True)
class Page:
    """Of one logical stream; `segments` are lengths up to 255, `body` their bytes."""

    flags: int
    granule: int
    serial: int
    number: int
    segments: bytes
    body: bytes

    @property
    def size_bytes(self) -> int:
        return 27 + len(self.segments) + len(self.body)

    def to_bytes(self) -> bytes:
        head = struct.pack(
            "<4sBBqIIIB",
            b"OggS",
            0,
            self.flags,
            self.granule,
            self.serial,
            self.number,
            0,
            len(self.segments),
        )
        page = head + self.segments + self.body
        return page[:22] + struct.pack("<I", checksum(page)) + page[26:]


def comments(stated: Mapping[str, str]) -> bytes:
    """A Vorbis comment structure, without the framing bit."""
    vendor = f"aigc {__version__}".encode()
    texts = [f"{name.upper()}={value}".encode() for name, value in stated.items()]
    parts = [struct.pack("<I", len(vendor)), vendor, struct.pack("<I", len(texts))]
    for text in texts:
        parts += [struct.pack("<I", len(text)), text]
    return b"".join(parts)


def comment_fields(body: bytes) -> dict[str, str]:
    """The fields of a Vorbis comment structure, as far as it is whole. Names are in lower case but
    for those that the project writes in upper case."""
    found: dict[str, str] = {}
    at = 4 + int.from_bytes(body[:4], "little")
    count = int.from_bytes(body[at : at + 4], "little")
    at += 4
    while count and at + 4 <= len(body):
        length = int.from_bytes(body[at : at + 4], "little")
        name, is_pair, value = body[at + 4 : at + 4 + length].partition(b"=")
        if is_pair:
            key = name.decode("ascii", "replace")
            known = key if key in {"AIGC", "XMP"} else key.lower()
            found[known] = value.decode("utf-8", "replace")
        at, count = at + 4 + length, count - 1
    return found


def embed(file: bytes, stated: Mapping[str, str]) -> bytes:
    """An Ogg file of one stream of Vorbis or Opus, with these comments and no others.

    Raises ValueError for other streams.
    """
    pages = list(_pages(file))
    packets, used = _header_packets(pages)
    body = comments(stated)
    second = _OPUS + body if packets[1].startswith(_OPUS) else _VORBIS + body + b"\x01"
    headers = [pages[0], *_paged([second, *packets[2:]], pages[0].serial)]
    begin = b"".join(page.to_bytes() for page in headers)
    shift = len(headers) - used
    if not shift:
        return begin + file[sum(page.size_bytes for page in pages[:used]) :]
    moved = (dataclasses.replace(page, number=page.number + shift) for page in pages[used:])
    return begin + b"".join(page.to_bytes() for page in moved)


def fields(file: bytes) -> dict[str, str]:
    """Of the comment header; none where the file is no such stream."""
    try:
        packets, _ = _header_packets(list(_pages(file)))
    except ValueError:
        return {}
    second = packets[1]
    start = len(_OPUS) if second.startswith(_OPUS) else len(_VORBIS)
    return comment_fields(second[start:])


def _pages(file: bytes) -> Iterator[Page]:
    at = 0
    while file[at : at + 4] == b"OggS" and at + 27 <= len(file):
        flags, granule, serial, number, _, count = struct.unpack("<BqIIIB", file[at + 5 : at + 27])
        segments = file[at + 27 : at + 27 + count]
        end = at + 27 + count + sum(segments)
        if end > len(file):
            raise ValueError("an Ogg page ends too early")
        yield Page(flags, granule, serial, number, segments, file[at + 27 + count : end])
        at = end


def _header_packets(pages: list[Page]) -> tuple[list[bytes], int]:
    """The header packets of a stream, and how many pages they take."""
    start = pages[0].body[:8] if pages else b""
    wanted = next((n for begin, n in _HEADERS.items() if start.startswith(begin)), 0)
    if not wanted or len({page.serial for page in pages}) != 1:
        raise ValueError("not an Ogg file of one stream of Vorbis or Opus")
    packets, open_part = [], b""
    for used, page in enumerate(pages, start=1):
        at = 0
        for length in page.segments:
            open_part += page.body[at : at + length]
            at += length
            if length < _MOST_SEGMENTS:
                packets.append(open_part)
                open_part = b""
        if len(packets) >= wanted:
            if len(packets) > wanted or open_part:
                raise ValueError("sound in the pages of the headers")
            return packets, used
    raise ValueError("an Ogg stream ends within its headers")


def _paged(packets: list[bytes], serial: int) -> list[Page]:
    """Header packets in pages that begin at number 1; their granule position is 0."""
    lengths, body = b"", b"".join(packets)
    for packet in packets:
        whole, rest = divmod(len(packet), 255)
        lengths += b"\xff" * whole + bytes([rest])
    pages: list[Page] = []
    at = 0
    for first in range(0, len(lengths), _MOST_SEGMENTS):
        segments = lengths[first : first + _MOST_SEGMENTS]
        flags = _CONTINUED if first and lengths[first - 1] == 255 else 0
        ends = any(length < 255 for length in segments)
        size = sum(segments)
        page = Page(
            flags, 0 if ends else -1, serial, len(pages) + 1, segments, body[at : at + size]
        )
        pages.append(page)
        at += size
    return pages


def checksum(page: bytes) -> int:
    """CRC-32 with the polynomial 0x04C11DB7, highest bits first, from 0 (RFC 3533, 6). `zlib` has
    that of the opposite order of bits, from ones and inverted at its end."""
    found = zlib.crc32(page.translate(_REVERSED), _ONES) ^ _ONES
    return int(f"{found:032b}"[::-1], 2)
