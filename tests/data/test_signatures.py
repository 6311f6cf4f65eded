from __future__ import annotations

import re

import pytest

from aigc.data.decode import UnfitError, decode_file
from aigc.specs import PrepareSpec

FILES = {
    "PNG": (b"\x89PNG\r\n\x1a\n" + b"x" * 40, "PNG|cannot be decoded"),
    "a cut PNG": (b"\x89PN", "not an image|damaged PNG"),
    "JPEG": (b"\xff\xd8\xff" + b"x" * 40, "damaged JPEG: its header cannot be read"),
    "GIF": (b"GIF89a", "damaged GIF: its header cannot be read"),
    "TIFF": (b"II*\x00", "damaged TIFF"),
    "BMP": (b"BM", "damaged BMP"),
    "WebP": (b"RIFF\x10\x00\x00\x00WEBP", "damaged WebP"),
    "HEIC": (b"\x00\x00\x00\x18ftypheic" + b"x" * 40, "HEIC: cannot be read; convert it"),
    "a video": (b"\x00\x00\x00\x18ftypisom" + b"x" * 40, "MP4 or another video"),
    "PDF": (b"%PDF-1.7", "not an image but a PDF document"),
    "a web page": (b"\n<!DOCTYPE html><html>", "not an image but a web page"),
    "SVG": (b"<svg xmlns='x'/>", "not an image but an SVG drawing"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    "text": (b"hello", "not an image of a known format"),
}


@pytest.mark.parametrize(("data", "reason"), FILES.values(), ids=[*FILES])
def test_what_cannot_be_read_is_named(data: bytes, reason: str) -> None:
    spec = PrepareSpec(source="x", out="y", size=16)
    with pytest.raises(UnfitError) as caught:
        decode_file(data, spec)
    assert re.search(reason, str(caught.value))
    assert "\n" not in str(caught.value)
