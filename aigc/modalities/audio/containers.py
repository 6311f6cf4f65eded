"""Which files are sounds, told by their first bytes; and whether one is cut off at its end.

Only what is listed here reaches a decoder. libsndfile reads a file that is cut off as if it were
whole, so each format is asked for what it announces: the sizes of its chunks, or its last page.
"""

from __future__ import annotations

import struct

_UNKNOWN = (0, 0xFFFFFFFF)
"""Sizes in the headers of files that were written into a pipe."""
_PAGE = b"OggS"
_PAGE_HEADER_BYTES = 27
_LAST_PAGE = 4

FORMATS = {
    "wav": ("WAV", "WAVEX", "RF64"),
    "flac": ("FLAC",),
    "ogg": ("OGG",),
    "mp3": ("MP3", "MPEG"),
    "aiff": ("AIFF",),
}
"""By our names: what libsndfile may take such a file for."""


def format_of(data: bytes) -> str:
    """Key of `FORMATS`; empty when `data` begins as none of them."""
    if data[:4] in (b"RIFF", b"RF64") and data[8:12] == b"WAVE":
        return "wav"
    if data[:4] == b"fLaC":
        return "flac"
    if data[:4] == _PAGE:
        return "ogg"
    if data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    return "mp3" if data[:3] == b"ID3" or _is_mpeg_frame(data) else ""


def is_cut_off(data: bytes, kind: str) -> bool:
    """Whether the file `data` of the format `kind` announces more than there is. Of FLAC and MP3
    only the decoder can tell."""
    if kind in ("wav", "aiff"):
        return _has_cut_chunk(data, "<" if kind == "wav" else ">")
    return kind == "ogg" and not _ends_with_last_page(data)


def _is_mpeg_frame(data: bytes) -> bool:
    """Whether an MPEG-1, -2 or -2.5 frame of layer III begins (ISO/IEC 11172-3, 2.4.2.3)."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return False
    version, layer = data[1] >> 3 & 3, data[1] >> 1 & 3
    bit_rate, rate = data[2] >> 4, data[2] >> 2 & 3
    return version != 1 and layer == 1 and bit_rate not in (0, 15) and rate != 3


def _has_cut_chunk(data: bytes, order: str) -> bool:
    """Of RIFF and IFF: chunks of a name of 4 bytes, a size of 4, and so many bytes, made even.
    Files of RF64 (EBU Tech 3306) have the size of their data in a chunk before it."""
    at, long_size = 12, 0
    while at + 8 <= len(data):
        name = data[at : at + 4]
        size = int(struct.unpack_from(f"{order}I", data, at + 4)[0])
        if name == b"ds64" and at + 24 <= len(data):
            long_size = int(struct.unpack_from(f"{order}Q", data, at + 16)[0])
        if name in (b"data", b"SSND"):
            size = long_size or size
            return size not in _UNKNOWN and at + 8 + size > len(data)
        at += 8 + size + size % 2
    return True


def _ends_with_last_page(data: bytes) -> bool:
    """Whether the last page of an Ogg file is whole and says that it is the last (RFC 3533, 6)."""
    at = data.rfind(_PAGE)
    while at >= 0:
        header = data[at : at + _PAGE_HEADER_BYTES]
        if len(header) == _PAGE_HEADER_BYTES and header[4] == 0:
            lengths = data[at + _PAGE_HEADER_BYTES :][: header[26]]
            end = at + _PAGE_HEADER_BYTES + len(lengths) + sum(lengths)
            return len(lengths) == header[26] and end <= len(data) and bool(header[5] & _LAST_PAGE)
        at = data.rfind(_PAGE, 0, at)
    return False
