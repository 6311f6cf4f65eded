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
            return [_webp(file) for file in files]
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


def _webp(image: bytes) -> bytes:
    """Simple format to extended: VP8X header first, the image chunk, then the XMP chunk."""
    chunk = image[12:]
    width, height = _webp_size(chunk)
    has_xmp = 0x04
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    header = b"VP8X" + struct.pack("<I", 10) + bytes([has_xmp, 0, 0, 0]) + size
    xmp = b"XMP " + struct.pack("<I", len(XMP)) + XMP + b"\0" * (len(XMP) % 2)
    body = b"WEBP" + header + chunk + xmp
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _webp_size(chunk: bytes) -> tuple[int, int]:
    """Width and height of a VP8 (RFC 6386, 9.1) or VP8L (RFC 9649, 3.4) chunk."""
    if chunk[:4] == b"VP8L":
        bits = struct.unpack("<I", chunk[9:13])[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", chunk[14:18])
    return width & 0x3FFF, height & 0x3FFF
