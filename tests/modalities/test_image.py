from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from aigc.modalities import image as images
from aigc.modalities.picture_formats import PREPARED, REQUESTED, WRITTEN
from aigc.specs import Codec

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 12, 10, 1), dtype=np.uint8)
RGB = RNG.integers(0, 256, (5, 12, 10, 3), dtype=np.uint8)


@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "rgb"])
def test_png_keeps_every_pixel(pixels: np.ndarray) -> None:
    encoded = images.encode(pixels, "png")
    for data, image in zip(encoded, pixels, strict=True):
        assert np.array_equal(images.decode(data, pixels.shape[-1]), image)


@pytest.mark.parametrize("codec", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "rgb"])
def test_other_software_opens_what_we_encode(codec: Codec, pixels: np.ndarray) -> None:
    smooth = np.full_like(pixels, 90)
    for data in images.encode(smooth, codec):
        with Image.open(io.BytesIO(data)) as picture:
            assert Image.MIME[picture.format or ""] == images.MIME[codec]
            assert picture.size == (10, 12)
            assert np.abs(np.asarray(picture.convert("L")).astype(int) - 90).max() <= 3


def test_webp_at_quality_100_is_lossless() -> None:
    data = images.encode(RGB, "webp", quality=100)[0]
    assert np.array_equal(images.decode(data, 3), RGB[0])


@pytest.mark.parametrize("codec", ["png", "jpeg", "webp", "raw"])
def test_a_file_depends_on_its_own_pixels_alone(codec: Codec) -> None:
    together = images.encode(RGB, codec)
    assert together == [images.encode(RGB[at : at + 1], codec)[0] for at in range(len(RGB))]


@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "rgb"])
def test_raw_keeps_every_value(pixels: np.ndarray) -> None:
    shape = pixels.shape[1:]
    for data, image in zip(images.encode(pixels, "raw"), pixels, strict=True):
        assert np.array_equal(images.decode_raw(data, shape), image)
    with pytest.raises(ValueError, match="raw values are not a 12 x 11"):
        images.decode_raw(images.encode(pixels, "raw")[0], (12, 11, shape[-1]))


@pytest.mark.parametrize("data", [b"", b"text", images.encode(RGB, "png")[0][:60]])
def test_a_damaged_file_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a readable image"):
        images.decode(data, 3)


@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "rgb"])
def test_networks_see_what_they_give_back(pixels: np.ndarray) -> None:
    tensor = images.to_network(pixels)
    assert tensor.shape == (5, pixels.shape[-1], 12, 10)
    assert tensor.min() >= -1
    assert tensor.max() <= 1
    assert np.array_equal(images.to_pixels(tensor), pixels)


def test_values_outside_the_range_are_clipped() -> None:
    tensor = images.to_network(GREY) * 3
    assert images.to_pixels(tensor).max() == 255
    assert images.to_pixels(tensor).min() == 0


def test_resizing_keeps_the_channels() -> None:
    assert images.resize(GREY[0], 6, 5).shape == (6, 5, 1)
    assert images.resize(RGB[0], 24, 20).shape == (24, 20, 3)
    assert np.array_equal(images.resize(RGB[0], 12, 10), RGB[0])


@pytest.mark.parametrize("resampling", ["lanczos", "bicubic", "nearest"])
@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "rgb"])
def test_resampling_is_pillows(pixels: np.ndarray, resampling: images.Resampling) -> None:
    made = images.resample(pixels, 30, 7, resampling)
    assert made.shape == (5, 30, 7, pixels.shape[-1])
    picture = Image.fromarray(pixels[3].squeeze())
    expected = picture.resize((7, 30), Image.Resampling[resampling.upper()])
    assert np.array_equal(made[3].squeeze(), np.asarray(expected))
    assert images.resample(pixels, 12, 10, resampling) is pixels


def test_grey_is_the_luma_that_pillow_gives() -> None:
    grey = images.recolour(RGB, "grey")
    assert grey.shape == (5, 12, 10, 1)
    for made, colours in zip(grey, RGB, strict=True):
        assert np.array_equal(made[..., 0], np.asarray(Image.fromarray(colours).convert("L")))


def test_grey_becomes_rgb_of_three_equal_channels() -> None:
    assert np.array_equal(images.recolour(GREY, "rgb"), np.concatenate([GREY] * 3, axis=-1))
    assert images.recolour(RGB, "rgb") is RGB
    assert images.recolour(GREY, None) is GREY


def test_other_sizes_are_fitted_into_a_cell() -> None:
    small = images.fit(np.zeros((4, 2, 1), np.uint8), 8, 8)
    assert small[2:6, 3:5].max() == 0
    assert small.sum() == 255 * (64 - 8)
    wide = images.fit(np.zeros((10, 40, 3), np.uint8), 8, 8)
    assert wide.shape == (8, 8, 3)
    assert np.array_equal(wide[:, 4, 0] == 0, [False] * 3 + [True] * 2 + [False] * 3)


def test_a_contact_sheet_shows_the_pictures_in_rows() -> None:
    sheet = images.contact_sheet(RGB[:4], columns=2, captions=["upper", "lower"], cell=12)
    with Image.open(io.BytesIO(sheet)) as picture:
        pixels = np.asarray(picture)
    left = pixels.shape[1] - (2 * 12 + 2)
    assert pixels.shape[0] == 2 * 14 + 2
    assert np.array_equal(pixels[2:14, left + 2 : left + 12], RGB[0])
    assert np.array_equal(pixels[16:28, left + 14 : left + 24], RGB[3])
    assert (pixels[:, : left - 2] < 128).any()


def test_only_formats_that_are_written_here_are_decoded() -> None:
    """A file that claims to be ours may come from anybody."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "EPS")
    with pytest.raises(ValueError, match="not a readable image"):
        images.decode(buffer.getvalue(), 3)
    assert not {"EPS", "WMF", "IPTC", "MPEG"} & set(PREPARED)
    assert set(WRITTEN) < set(REQUESTED) < set(PREPARED)
