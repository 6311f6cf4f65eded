"""Formats that are read only with care, or with an optional library."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from aigc.distributed.prepare import run
from aigc.modalities.base import RejectError
from aigc.modalities.image import reading
from aigc.modalities.image.formats import readable
from tests.data.pictures import noise, spec

DARK, NEAR = (0x1234,) * 3, (0x1235,) * 3
GREY, WHITE = (0x12,) * 3, (255,) * 3


def _chunk(name: bytes, data: bytes) -> bytes:
    check = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)


def wide_png(pixels: npt.NDArray[np.uint16], clear: tuple[int, int, int] | None) -> bytes:
    """(H, W, 3) as a PNG of 16 bit, with one transparent colour."""
    height, width, _ = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", head),
            _chunk(b"tRNS", struct.pack(">HHH", *clear)) if clear else b"",
            _chunk(b"IDAT", zlib.compress(rows)),
            _chunk(b"IEND", b""),
        )
    )


@pytest.mark.parametrize(
    ("colour", "clear", "shown"),
    [
        (DARK, DARK, WHITE),
        (DARK, NEAR, GREY),
        (NEAR, DARK, GREY),
        (DARK, None, GREY),
        ((0, 0, 0), (0, 0, 0), WHITE),
        ((0, 0, 7), (0, 0, 0), (0, 0, 0)),
    ],
)
def test_the_clear_colour_of_a_png_of_16_bit(
    colour: tuple[int, int, int],
    clear: tuple[int, int, int] | None,
    shown: tuple[int, int, int],
) -> None:
    pixels = np.full((16, 16, 3), colour, np.uint16)
    found = reading.read(wide_png(pixels, clear), (16, 16, 3), max_pixels=10_000)
    assert (found == np.array(shown, np.uint8)).all()


def test_a_png_of_16_bit_that_is_cut_is_told_as_any_other() -> None:
    pixels = np.random.default_rng(0).integers(0, 2**16, (16, 16, 3), np.uint16)
    with pytest.raises(RejectError, match="cut off at its end"):
        reading.read(wide_png(pixels, DARK)[:-300], (16, 16, 3), max_pixels=10_000)


def test_heic_photos_are_read_where_the_library_is(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif", reason="pip install 'aigc[heif]'")
    assert "HEIF" in readable()
    (tmp_path / "raw/a").mkdir(parents=True)
    for number in range(3):
        buffer = io.BytesIO()
        Image.fromarray(noise(number, 64)).save(buffer, "HEIF", quality=90)
        (tmp_path / f"raw/a/{number}.heic").write_bytes(buffer.getvalue())
    made = run(spec(tmp_path / "raw", tmp_path / "out", test_fraction=0))
    assert (made["train"], made["rejects"]) == (3, 0)
