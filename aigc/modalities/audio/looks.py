"""What bytes are that are no sound of a format that is read, and what helps."""

from __future__ import annotations

from aigc.modalities.signatures import CONTAINERS, HEAD_BYTES, Signatures, as_text, named

_SIGNATURES: Signatures = (
    (0, b"MThd", "a MIDI file: notes, no sound; render it to WAV"),
    (0, b"sfbk", "a SoundFont; export its samples as WAV"),
    (8, b"sfbk", "a SoundFont; export its samples as WAV"),
    (0, b"caff", "a Core Audio file; convert it to WAV or FLAC"),
    (0, b".snd", "an AU file; convert it to WAV or FLAC"),
    (0, b"wvpk", "a WavPack file; convert it to FLAC"),
    (0, b"MAC ", "a Monkey's Audio file; convert it to FLAC"),
    (0, b"MPCK", "a Musepack file; convert it to OGG"),
    (0, b"MP+", "a Musepack file; convert it to OGG"),
    (0, b"TTA", "a True Audio file; convert it to FLAC"),
    (0, b"DSD ", "a DSD file; convert it to FLAC"),
    (0, b"FRM8", "a DSD file; convert it to FLAC"),
    (0, b"#!AMR", "an AMR file; convert it to WAV or OGG"),
    (0, b"\x30\x26\xb2\x75", "a WMA file; convert it to WAV or OGG"),
    (0, b"ADIF", "an AAC file; convert it to WAV or OGG"),
    (0, b"\x1aE\xdf\xa3", "a Matroska or WebM file; extract its sound as OGG or FLAC"),
    (8, b"AVI ", "a video; extract its sound as WAV"),
    (0, b"\x89PNG", "a picture, not a sound"),
    (0, b"\xff\xd8\xff", "a picture, not a sound"),
    (0, b"GIF8", "a picture, not a sound"),
    (8, b"WEBP", "a picture, not a sound"),
    (0, b"BM", "a picture, not a sound"),
    (0, b"II*\0", "a picture, not a sound"),
    (0, b"MM\0*", "a picture, not a sound"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x93NUMPY", "a NumPy array; save it as WAV"),
    (0, b"\x89HDF", "an HDF5 file; export its sounds as WAV"),
    *CONTAINERS,
)
_TEXTS = ((b"<!doctype html", "a web page"), (b"<html", "a web page"), (b"<error", "an error"))


def looks_like(data: bytes) -> str:
    """What a file is that begins as no sound that is read; empty when unknown."""
    head = data[:HEAD_BYTES]
    if name := named(head, _SIGNATURES):
        return name
    if head[4:8] == b"ftyp":
        return "an MP4 or M4A file; convert it to WAV, FLAC or OGG"
    if head[:2] in (b"\xff\xf1", b"\xff\xf9"):
        return "an AAC file; convert it to WAV or OGG"
    text = as_text(head)
    what = next((what for mark, what in _TEXTS if text.startswith(mark)), "")
    return f"{what}, not a sound; download it again" if what else ""
