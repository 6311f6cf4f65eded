"""What the first bytes of a file say it is, whether or not the rest can be read."""

from __future__ import annotations

_BEGINNINGS = (
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"BM", "BMP"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"8BPS", "Photoshop"),
    (b"\x00\x00\x01\x00", "ICO"),
)
_NO_PICTURES = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"PAR1", "a Parquet file"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"<?xml", "an XML file"),
    (b"<svg", "an SVG drawing"),
    (b"version https://git-lfs", "a pointer of Git LFS; fetch the file itself with git lfs pull"),
)
_BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF", b"avif": "AVIF", b"avis": "AVIF"}


def unreadable(data: bytes) -> str:
    """Why a file whose header no decoder takes is not a picture, one line."""
    for begin, name in _BEGINNINGS:
        if data.startswith(begin):
            return f"damaged {name}: its header cannot be read"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "damaged WebP: its header cannot be read"
    if data[4:8] == b"ftyp":
        name = _BRANDS.get(data[8:12], "MP4 or another video")
        return f"{name}: cannot be read; convert it to PNG or JPEG, or it is damaged"
    text = data[:200].lstrip().lower()
    for begin, what in _NO_PICTURES:
        if data.startswith(begin) or text.startswith(begin):
            return f"not an image but {what}"
    return "not an image of a known format"
