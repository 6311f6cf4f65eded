"""A signed file as it was before it was signed.

The signing library puts its manifest into a place of its own and leaves every other byte: PNG a
chunk `caBX`, JPEG segments APP11 that begin with `JP`, RIFF (WebP, WAV) a last chunk `C2PA`, FLAC a
tag ID3v2 in front (C2PA 2.4, annex A). `FileSigner` compares each file that it signs with what is
restored here, so a set holds no file for which this is not exact.
"""

from __future__ import annotations

from aigc.provenance.riff import riff_file

SIGNED = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
}
"""Media types that the library signs, by codec. It has no place for a manifest in Ogg."""
RESTORED = ("png", "jpeg", "webp", "wav", "flac")
"""Codecs of files that `unsigned` restores."""
_PNG, _JPEG, _ID3, _FLAC = b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"ID3", b"fLaC"
_APP11, _START_OF_SCAN = 0xEB, 0xDA


def unsigned(file: bytes) -> bytes:
    """`file` without its C2PA manifest; a file that has none, or of another kind, as it is."""
    if file.startswith(_PNG):
        return _png(file)
    if file.startswith(_JPEG):
        return _jpeg(file)
    if file[:4] == b"RIFF":
        return _riff(file)
    if file.startswith(_ID3):
        return _flac(file)
    return file


def _png(file: bytes) -> bytes:
    at = len(_PNG)
    while at + 12 <= len(file):
        end = at + 12 + int.from_bytes(file[at : at + 4], "big")
        if file[at + 4 : at + 8] == b"caBX":
            return file[:at] + file[end:]
        at = end
    return file


def _jpeg(file: bytes) -> bytes:
    kept, at = [file[:2]], 2
    while at + 4 <= len(file) and file[at] == 0xFF and file[at + 1] != _START_OF_SCAN:
        end = at + 2 + int.from_bytes(file[at + 2 : at + 4], "big")
        if file[at + 1] != _APP11 or file[at + 4 : at + 6] != b"JP":
            kept.append(file[at:end])
        at = end
    return b"".join((*kept, file[at:]))


def _riff(file: bytes) -> bytes:
    at = 12
    while at + 8 <= len(file):
        length = int.from_bytes(file[at + 4 : at + 8], "little")
        end = at + 8 + length + length % 2
        if file[at : at + 4] == b"C2PA":
            return riff_file(file[8:at] + file[end:])
        at = end
    return file


def _flac(file: bytes) -> bytes:
    """Without the tag, which no file of the project has before it is signed."""
    length = 0
    for byte in file[6:10]:
        length = length << 7 | byte & 0x7F
    rest = file[10 + length :]
    return rest if rest.startswith(_FLAC) else file
