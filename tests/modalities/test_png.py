from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from aigc.modalities import png

RNG = np.random.default_rng(0)


def pictures(height: int, width: int, channels: int, count: int = 3) -> np.ndarray:
    """One of noise, one that is smooth, one that is flat, and so on."""
    noise = RNG.integers(0, 256, (count, height, width, channels))
    slope = np.add.outer(np.arange(height), np.arange(width))[None, :, :, None] % 256
    share = (np.arange(count) % 3)[:, None, None, None]
    return np.where(share == 0, noise, np.where(share == 1, slope, 128)).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (9, 1), (28, 28), (300, 511)])
def test_other_software_reads_every_pixel(height: int, width: int, channels: int) -> None:
    pixels = pictures(height, width, channels)
    for data, image in zip(png.encode(pixels), pixels, strict=True):
        picture = Image.open(io.BytesIO(data))
        picture.verify()
        read = np.asarray(Image.open(io.BytesIO(data)))
        assert np.array_equal(read.reshape(image.shape), image)


def test_many_images_are_as_each_alone() -> None:
    pixels = pictures(28, 28, 1, count=700)
    alone = [png.encode(pixels[at : at + 1])[0] for at in range(len(pixels))]
    assert png.encode(pixels) == alone
    assert png.encode(pixels[::2]) == alone[::2]
    assert png.encode(pixels[:0]) == []


def test_files_are_no_larger_than_pillows_fast_ones() -> None:
    slope = np.add.outer(np.arange(64), 2 * np.arange(64))[None, :, :, None] % 256
    pixels = (slope + RNG.integers(0, 9, (20, 64, 64, 3))).clip(0, 255).astype(np.uint8)
    buffers = [io.BytesIO() for _ in pixels]
    for image, buffer in zip(pixels, buffers, strict=True):
        Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    theirs = sum(len(buffer.getvalue()) for buffer in buffers)
    assert sum(map(len, png.encode(pixels))) <= 1.05 * theirs
