"""Metadata inside sound files: WAV, FLAC, MP3 and Ogg (Vorbis and Opus). Samples are not touched.

WAV (RIFF): a LIST chunk of INFO fields, the XMP packet in a `_PMX` chunk (XMP Specification part
3), and the label of GB 45438-2025 in a chunk `AIGC`. FLAC: a block of Vorbis comments. MP3: an
ID3v2.4 tag of TXXX frames and, for the XMP packet, a PRIV frame. Ogg: the comment header of the
stream, see `ogg`. Fields that were there give way. The files are the project's own; `fields` takes
files of anybody.
"""

from __future__ import annotations

from collections.abc import Mapping

from aigc.provenance import ogg
from aigc.provenance.riff import riff_chunk, riff_chunks, riff_file

XMP_FIELD = "XMP"
LABEL_FIELD = "AIGC"
"""Annex E asks for a name that contains AIGC."""
_INFO = {"software": b"ISFT", "comment": b"ICMT", "date": b"ICRD"}
_XMP_OWNER = b"XMP\0"
_COMMENTS, _LAST_BLOCK = 4, 0x80


def embed(file: bytes, stated: Mapping[str, str], packet: bytes) -> bytes:
    """A sound file with the texts `stated` by field name and an XMP `packet`.

    Raises ValueError for other kinds of file.
    """
    if file[:4] == b"RIFF" and file[8:12] == b"WAVE":
        return _in_wav(file, stated, packet)
    if file[:4] == b"fLaC":
        return _in_flac(file, {**stated, XMP_FIELD: packet.decode()})
    if file[:4] == b"OggS":
        return ogg.embed(file, {**stated, XMP_FIELD: packet.decode()})
    if file[:3] == b"ID3" or file[:1] == b"\xff":
        return _in_mp3(file, stated, packet)
    raise ValueError("not a WAV, FLAC, Ogg or MP3 file")


def fields(file: bytes) -> dict[str, str]:
    """The texts that `embed` wrote, as far as they are whole; XMP under `XMP_FIELD`."""
    if file[:4] == b"RIFF" and file[8:12] == b"WAVE":
        return _of_wav(file)
    if file[:4] == b"fLaC":
        return _of_flac(file)
    if file[:4] == b"OggS":
        return ogg.fields(file)
    if file[:3] == b"ID3":
        return _of_mp3(file)
    return {}


def _in_wav(file: bytes, stated: Mapping[str, str], packet: bytes) -> bytes:
    """Chunks behind the samples, where streaming readers need not pass them."""
    info = b"".join(
        riff_chunk(kind, stated[name].encode() + b"\0")
        for name, kind in _INFO.items()
        if name in stated
    )
    more = riff_chunk(b"LIST", b"INFO" + info) + riff_chunk(b"_PMX", packet)
    if LABEL_FIELD in stated:
        more += riff_chunk(b"AIGC", stated[LABEL_FIELD].encode())
    kept = [riff_chunk(kind, body) for kind, body in riff_chunks(file) if not _is_ours(kind, body)]
    body = b"WAVE" + b"".join(kept) + more
    return riff_file(body)


def _is_ours(kind: bytes, body: bytes) -> bool:
    return kind in {b"_PMX", b"AIGC"} or (kind == b"LIST" and body[:4] == b"INFO")


def _of_wav(file: bytes) -> dict[str, str]:
    found = {}
    for kind, body in riff_chunks(file):
        if kind == b"AIGC":
            found[LABEL_FIELD] = _text(body)
        elif kind == b"_PMX":
            found[XMP_FIELD] = _text(body)
        elif kind == b"LIST" and body[:4] == b"INFO":
            inner = dict(riff_chunks(b"\0" * 8 + body))
            found |= {name: _text(inner[k]) for name, k in _INFO.items() if k in inner}
    return found


def _in_flac(file: bytes, stated: Mapping[str, str]) -> bytes:
    """The comments stand behind STREAMINFO."""
    blocks, rest = _flac_blocks(file)
    kept = [(kind, body) for kind, body in blocks if kind != _COMMENTS]
    kept.insert(1, (_COMMENTS, ogg.comments(stated)))
    parts = [b"fLaC"]
    for at, (kind, body) in enumerate(kept):
        last = _LAST_BLOCK if at == len(kept) - 1 else 0
        parts += [bytes([kind | last]), len(body).to_bytes(3, "big"), body]
    return b"".join((*parts, rest))


def _of_flac(file: bytes) -> dict[str, str]:
    blocks, _ = _flac_blocks(file)
    found = [body for kind, body in blocks if kind == _COMMENTS]
    return ogg.comment_fields(found[0]) if found else {}


def _flac_blocks(file: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Kind and body of each metadata block (RFC 9639, 8), and what follows them."""
    blocks, at, is_last = [], 4, False
    while not is_last and at + 4 <= len(file):
        is_last, kind = bool(file[at] & _LAST_BLOCK), file[at] & 0x7F
        length = int.from_bytes(file[at + 1 : at + 4], "big")
        blocks.append((kind, file[at + 4 : at + 4 + length]))
        at += 4 + length
    return blocks, file[at:]


def _in_mp3(file: bytes, stated: Mapping[str, str], packet: bytes) -> bytes:
    """ID3v2.4 in front of the frames."""
    utf8 = b"\x03"
    texts = [utf8 + name.encode() + b"\0" + value.encode() for name, value in stated.items()]
    frames = b"".join(_id3_frame(b"TXXX", text) for text in texts)
    frames += _id3_frame(b"PRIV", _XMP_OWNER + packet)
    header = b"ID3\x04\x00\x00" + _syncsafe(len(frames))
    return header + frames + file[_id3_length(file) :]


def _of_mp3(file: bytes) -> dict[str, str]:
    found, at, end = {}, 10, min(len(file), _id3_length(file))
    while at + 10 <= end and file[at] != 0:
        length = _from_syncsafe(file[at + 4 : at + 8])
        kind, body = file[at : at + 4], file[at + 10 : at + 10 + length]
        if kind == b"TXXX" and body[:1] == b"\x03":
            name, _, value = body[1:].partition(b"\0")
            found[_text(name)] = _text(value)
        elif kind == b"PRIV" and body.startswith(_XMP_OWNER):
            found[XMP_FIELD] = _text(body[len(_XMP_OWNER) :])
        at += 10 + length
    return found


def _id3_frame(kind: bytes, body: bytes) -> bytes:
    return kind + _syncsafe(len(body)) + b"\0\0" + body


def _id3_length(file: bytes) -> int:
    """Bytes of the tag at the beginning, with its header."""
    return 10 + _from_syncsafe(file[6:10]) if file[:3] == b"ID3" else 0


def _syncsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _from_syncsafe(data: bytes) -> int:
    return sum((byte & 0x7F) << shift for byte, shift in zip(data, (21, 14, 7, 0), strict=False))


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace").rstrip("\0")
