"""Metadata inside picture files: an XMP packet put where the XMP specification wants it, and found.

XMP Specification part 3 (ISO 16684-1, storage in files): PNG in an iTXt chunk behind the header,
JPEG in an APP1 segment, WebP in an `XMP ` chunk of the extended format. Pixels are not touched. The
files are the project's own, as `modalities` encodes them; `find` takes files of anybody.
"""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Iterator

from aigc.provenance.riff import riff_chunk, riff_chunks, riff_file

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER_BYTES = 33  # signature and IHDR
_PNG_NAME = b"XML:com.adobe.xmp\0"
_JPEG_NAME = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_MOST = 0xFFFF - 2 - len(_JPEG_NAME)
_HAS_XMP = 0x04
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
_START_OF_SCAN, _END = 0xDA, 0xD9


def embed(file: bytes, head: bytes, rest: bytes = b"") -> bytes:
    """A PNG, JPEG or simple WebP file with the XMP packet `head` + `rest`; of `head`, which many
    files share, the checksum is computed once. Raises ValueError for others."""
    if file.startswith(_PNG):
        return _in_png(file, head, rest)
    packet = head + rest
    if file.startswith(b"\xff\xd8"):
        return _in_jpeg(file, packet)
    if file[:4] == b"RIFF" and file[8:12] == b"WEBP":
        return _in_webp(file, packet)
    raise ValueError("not a PNG, JPEG or WebP file")


def find(file: bytes) -> bytes | None:
    """The XMP packet of a picture file, None where it has none or is damaged."""
    parts: Iterator[bytes]
    if file.startswith(_PNG):
        parts = _png_packets(file)
    elif file.startswith(b"\xff\xd8"):
        parts = _jpeg_packets(file)
    elif file[:4] == b"RIFF" and file[8:12] == b"WEBP":
        parts = (body for kind, body in riff_chunks(file) if kind == b"XMP ")
    else:
        return None
    return next(parts, None)


def _in_png(file: bytes, head: bytes, rest: bytes) -> bytes:
    begin, crc = _png_chunk(head)
    length = (len(begin) - 4 + len(rest)).to_bytes(4, "big")
    crc_bytes = zlib.crc32(rest, crc).to_bytes(4, "big")
    before, behind = file[:_PNG_HEADER_BYTES], file[_PNG_HEADER_BYTES:]
    return b"".join((before, length, begin, rest, crc_bytes, behind))


@functools.lru_cache(maxsize=64)
def _png_chunk(head: bytes) -> tuple[bytes, int]:
    """The kind and the first bytes of a chunk, and their checksum: not compressed, no language, no
    translation."""
    begin = b"iTXt" + _PNG_NAME + b"\0\0\0\0" + head
    return begin, zlib.crc32(begin)


def _in_jpeg(file: bytes, packet: bytes) -> bytes:
    at = 2
    while file[at : at + 2] == b"\xff\xe0":  # JFIF's own segments come first
        at += 2 + int.from_bytes(file[at + 2 : at + 4], "big")
    return in_jpeg(file, packet, at)


def in_jpeg(file: bytes, packet: bytes, at: int) -> bytes:
    """A JPEG file with the packet's segment at byte `at`, between two others. Raises ValueError
    when the packet is too long for one."""
    if len(packet) > _JPEG_MOST:
        raise ValueError(f"{len(packet)} bytes of XMP; a JPEG segment holds {_JPEG_MOST}")
    length = (len(_JPEG_NAME) + len(packet) + 2).to_bytes(2, "big")
    return b"".join((file[:at], b"\xff\xe1", length, _JPEG_NAME, packet, file[at:]))


def _in_webp(file: bytes, packet: bytes) -> bytes:
    """Simple format to extended: VP8X header first, the image chunk, then the XMP chunk."""
    chunk = file[12:]
    width, height = _webp_size(chunk)
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    header = b"VP8X" + struct.pack("<I", 10) + bytes([_HAS_XMP, 0, 0, 0]) + size
    body = b"WEBP" + header + chunk + riff_chunk(b"XMP ", packet)
    return riff_file(body)


def _webp_size(chunk: bytes) -> tuple[int, int]:
    """Width and height of a VP8 (RFC 6386, 9.1) or VP8L (RFC 9649, 3.4) chunk."""
    if chunk[:4] == b"VP8L":
        bits = struct.unpack("<I", chunk[9:13])[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk[:4] != b"VP8 ":
        raise ValueError("a WebP file of the extended format already has places for metadata")
    width, height = struct.unpack("<HH", chunk[14:18])
    return width & 0x3FFF, height & 0x3FFF


def _png_packets(file: bytes) -> Iterator[bytes]:
    at = len(_PNG)
    while at + 12 <= len(file):
        length = int.from_bytes(file[at : at + 4], "big")
        kind, body = file[at + 4 : at + 8], file[at + 8 : at + 8 + length]
        if len(body) < length or kind == b"IEND":
            return
        if kind == b"iTXt" and body.startswith(_PNG_NAME + b"\0\0"):
            _language, _, rest = body[len(_PNG_NAME) + 2 :].partition(b"\0")
            yield rest.partition(b"\0")[2]
        at += 12 + length


def _jpeg_packets(file: bytes) -> Iterator[bytes]:
    at = 2
    while at + 4 <= len(file) and file[at] == 0xFF:
        marker = file[at + 1]
        if marker in {_START_OF_SCAN, _END}:
            return
        if marker in _STANDALONE or marker == 0xFF:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(file[at + 2 : at + 4], "big")
        body = file[at + 4 : at + 2 + length]
        if len(body) < length - 2:
            return
        if marker == 0xE1 and body.startswith(_JPEG_NAME):
            yield body[len(_JPEG_NAME) :]
        at += 2 + max(2, length)
