"""The AI-generated label inside each image file, as other tools read it.

Its XMP packet, see `provenance.label`, is placed where the XMP specification (Part 3, "Storage in
files") puts it: PNG in an iTXt chunk, JPEG in an APP1 segment, WebP in an
"XMP " chunk of the extended format. Pixels are not touched.
"""

from __future__ import annotations

import functools
import struct

from aigc.modalities import png
from aigc.modalities.image import encode
from aigc.provenance import pictures
from aigc.provenance.label import XMP
from aigc.strict import Codec
from aigc.types import UInt8Images

_JPEG_HEADER_BYTES = 2  # start of image
_JPEG_XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"


def encode_marked(pixels: UInt8Images, codec: Codec, quality: int = 90) -> list[bytes]:
    """`encode`, with the label in each file; raw ones have no place for it."""
    if codec == "png":
        return png.encode(pixels, _png_chunk())
    files = encode(pixels, codec, quality)
    match codec:
        case "jpeg":
            return [_jpeg(file) for file in files]
        case "webp":
            return [pictures.embed(file, XMP) for file in files]
        case "raw":
            return files


@functools.cache
def _png_chunk() -> bytes:
    return png.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)


@functools.cache
def _jpeg_segment() -> bytes:
    body = _JPEG_XMP_NAME + XMP
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def _jpeg(image: bytes) -> bytes:
    return b"".join((image[:_JPEG_HEADER_BYTES], _jpeg_segment(), image[_JPEG_HEADER_BYTES:]))
