from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageCms

from aigc.modalities.base import RejectError
from aigc.modalities.image.reading import decode_file, from_array
from tests.data.pictures import bomb, encoded, noise, spec

RGB = spec("in", "out")
GREY = spec("in", "out", channels=1)


def test_a_picture_of_the_right_size_is_left_as_it_is() -> None:
    pixels = noise(0)
    assert np.array_equal(decode_file(encoded(pixels), RGB), pixels)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_the_usual_formats_are_read(kind: str) -> None:
    assert decode_file(encoded(noise(0, 40), kind), RGB).shape == (16, 16, 3)
    assert decode_file(encoded(noise(0, 40), kind), GREY).shape == (16, 16, 1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"just some words, not an image\n" * 9, "not an image"),
        (encoded(noise(0, 64), "JPEG")[:-200], "truncated"),
        (encoded(noise(0, 64), "PNG")[:-300], "cut off at its end"),
        (encoded(noise(0, 64), "PNG")[:20], "Truncated File Read"),
        (bomb(40_000, 40_000), "max_pixels = 50,000,000"),
        (bomb(8_000, 8_000), "8,000 x 8,000 pixels, more than max_pixels"),
        (bomb(10_000, 10_000), "max_pixels"),
        (encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"), "float"),
    ],
    ids=["zero", "text", "jpeg", "png", "header", "bomb", "large", "warned", "float"],
)
def test_what_cannot_be_an_image_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(RejectError, match=reason):
        decode_file(data, RGB)


def test_an_animation_is_refused_or_gives_its_first_frame() -> None:
    frames = [Image.fromarray(noise(n)) for n in range(3)]
    data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    with pytest.raises(RejectError, match="several frames"):
        decode_file(data, RGB)
    first = decode_file(data, spec("in", "out", animated="first"))
    assert np.array_equal(first, noise(0))


def test_an_animated_gif_is_refused() -> None:
    frames = [Image.fromarray(noise(n)) for n in range(3)]
    with pytest.raises(RejectError, match="several frames"):
        decode_file(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), RGB)


def test_cmyk_becomes_rgb() -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    pixels = decode_file(encoded(red, "JPEG", quality=100), RGB)
    assert np.abs(pixels.astype(int) - [254, 0, 0]).max() <= 3


def test_transparency_is_put_on_white() -> None:
    clear = Image.new("RGBA", (16, 16), (10, 20, 30, 0))
    half = Image.new("LA", (16, 16), (0, 128))
    palette = Image.new("P", (16, 16), 0)
    palette.putpalette([200, 0, 0, 0, 200, 0])
    assert (decode_file(encoded(clear), RGB) == 255).all()
    assert (decode_file(encoded(half), GREY) == 127).all()
    assert (decode_file(encoded(palette, transparency=0), RGB) == 255).all()
    assert (decode_file(encoded(palette), RGB) == [200, 0, 0]).all()


def test_the_background_is_seen_through_images_and_around_padded_ones() -> None:
    clear = encoded(Image.new("RGBA", (16, 16), (10, 20, 30, 0)))
    tall = encoded(Image.new("RGB", (8, 16), (200, 0, 0)))
    beige = spec("in", "out", background="#f4efe6", fit="pad")
    assert (decode_file(clear, beige) == [0xF4, 0xEF, 0xE6]).all()
    padded = decode_file(tall, beige)
    assert (padded[:, 0] == [0xF4, 0xEF, 0xE6]).all()
    assert (padded[:, 8] == [200, 0, 0]).all()
    grey = spec("in", "out", background="rgb(0, 0, 255)", channels=1)
    assert (decode_file(clear, grey) == 29).all()


@pytest.mark.parametrize("colour", ["nocolour", "#12345", "#ffffff80", ""])
def test_a_background_is_an_opaque_colour(colour: str) -> None:
    with pytest.raises(ValueError, match="expected an opaque colour such as white"):
        spec("in", "out", background=colour)


def test_sixteen_bits_become_eight_over_the_whole_range() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    pixels = decode_file(encoded(Image.fromarray(ramp)), GREY)
    assert np.array_equal(pixels.reshape(-1), np.arange(256))


def test_a_photo_held_sideways_is_turned_upright() -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise to see it upright
    upright = decode_file(encoded(pixels, exif=exif.tobytes()), RGB)
    assert (upright[:, 8:] == 255).all()
    assert (upright[:, :8] == 0).all()


@pytest.mark.parametrize("junk", [b"Exif\0\0junk", b"Exif\0\0II*\0\xff\xff\xff\xff", b"?"])
def test_damaged_exif_does_not_lose_the_picture(junk: bytes) -> None:
    assert np.array_equal(decode_file(encoded(noise(1), exif=junk), RGB), noise(1))


def test_a_damaged_colour_profile_does_not_lose_the_picture() -> None:
    assert np.array_equal(decode_file(encoded(noise(1), icc_profile=b"junk"), RGB), noise(1))


def test_a_colour_profile_is_applied() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = decode_file(encoded(noise(1), icc_profile=profile), RGB)
    assert np.abs(same.astype(int) - noise(1)).max() <= 1


def test_each_fit_makes_a_square() -> None:
    wide = np.zeros((16, 32, 3), np.uint8)
    wide[:, 8:24] = 255  # the middle square is white
    crop, pad, stretch = (
        decode_file(encoded(wide), spec("in", "out", fit=fit)) for fit in ("crop", "pad", "stretch")
    )
    assert (crop == 255).all()
    assert (pad[:4] == 255).all()
    assert (pad[6:10, 0] < 30).all()
    assert (stretch[:, 0] < 30).all()


def test_shrinking_is_antialiased() -> None:
    checkers = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    pixels = decode_file(encoded(checkers), GREY)
    assert np.abs(pixels.astype(int) - 127).max() < 12


def test_arrays_take_the_same_way_as_files() -> None:
    grey = noise(3, 40, channels=1)
    assert np.array_equal(from_array(grey, GREY), decode_file(encoded(grey), GREY))
    assert from_array(grey, RGB).shape == (16, 16, 3)
