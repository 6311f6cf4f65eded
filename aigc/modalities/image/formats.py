"""Which formats of pictures are read, and what bytes that are not read look like."""

from __future__ import annotations

import contextlib
import functools
import importlib

from PIL import Image

from aigc.modalities.picture_formats import PREPARED
from aigc.modalities.signatures import CONTAINERS, HEAD_BYTES, Signatures, as_text, named

_HEIF = "pillow_heif"

_SIGNATURES: Signatures = (
    (0, b"\x89PNG\r\n", "a damaged PNG file"),
    (0, b"\xff\xd8", "a damaged JPEG file"),
    (0, b"GIF8", "a damaged GIF file"),
    (8, b"WEBP", "a damaged WebP file"),
    (0, b"BM", "a damaged BMP file"),
    (0, b"II*\0", "a damaged TIFF file or a raw photo; export it as JPEG"),
    (0, b"MM\0*", "a damaged TIFF file or a raw photo; export it as JPEG"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL file; convert it to PNG"),
    (0, b"\xff\x0a", "a JPEG XL file; convert it to PNG"),
    (0, b"FUJIFILMCCD-RAW", "a raw photo; export it as JPEG"),
    (0, b"%PDF", "a PDF document; export its pages as PNG"),
    (0, b"%!PS", "a PostScript file; convert it to PNG"),
    (0, b"\xc5\xd0\xd3\xc6", "a PostScript file; convert it to PNG"),
    (0, b"\xd7\xcd\xc6\x9a", "a Windows metafile; convert it to PNG"),
    (0, b"gimp xcf", "a GIMP file; export it as PNG"),
    (0, b"v/1\x01", "an OpenEXR file; convert it to PNG"),
    (0, b"#?RADIANCE", "a Radiance HDR file; convert it to PNG"),
    (128, b"DICM", "a DICOM file; convert it to PNG"),
    (0, b"\x93NUMPY", "a NumPy array; save it as PNG"),
    (0, b"\x89HDF", "an HDF5 file; export its pictures as PNG"),
    (0, b"\x1aE\xdf\xa3", "a video; extract its frames as PNG"),
    (8, b"AVI ", "a video; extract its frames as PNG"),
    *CONTAINERS,
)
_TEXTS = (
    (b"<svg", "an SVG drawing; convert it to PNG"),
    (b"<!doctype html", "a web page, not a picture; download it again"),
    (b"<html", "a web page, not a picture; download it again"),
    (b"<error", "the error message of a store, not a picture; download it again"),
)
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2"}


def looks_like(data: bytes) -> str:
    """What a file is that could not be read as a picture, and what helps; empty when unknown."""
    head = data[:HEAD_BYTES]
    if name := named(head, _SIGNATURES):
        return name
    if head[4:8] == b"ftyp":
        return _of_boxes(head)
    text = as_text(head)
    if text.startswith(b"<"):
        return next((name for mark, name in _TEXTS if mark in text), "XML, not a picture")
    return ""


@functools.cache
def readable() -> tuple[str, ...]:
    """The formats that are read here, by Pillow's names; HEIF where its optional library is."""
    with contextlib.suppress(ImportError):
        importlib.import_module(_HEIF).register_heif_opener()
    Image.init()
    return tuple(name for name in Image.OPEN if name in PREPARED)


def _of_boxes(head: bytes) -> str:
    """What a file in the ISO base media format holds, by its brand."""
    brand = head[8:12]
    if brand in _HEIC:
        if "HEIF" in readable():
            return "a damaged HEIC file"
        return "a HEIC/HEIF photo; pip install 'aigc[heif]' to read it, or export it as JPEG"
    if brand in (b"avif", b"avis"):
        return "a damaged AVIF file, or Pillow lacks AVIF: pip install -U Pillow"
    if brand == b"crx ":
        return "a raw photo; export it as JPEG"
    return "a video; extract its frames as PNG"
