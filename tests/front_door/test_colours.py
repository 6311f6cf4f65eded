"""Pictures with ICC profiles: what colour they have once they are read, on either way in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from aigc.modalities.image import reading
from aigc.modalities.picture_formats import REQUESTED
from tests.data.pictures import encoded, spec
from tests.front_door import profiles

SIZE = (16, 16)
TURNED = profiles.rgb("gbr")
"""What is red by its numbers is green."""
LINEAR = profiles.rgb()
GREY = profiles.grey()
GREEN, PALE, WHITE, LIGHT = (0, 255, 0), (127, 255, 127), (255, 255, 255), (188, 188, 188)


def plain(mode: str, colour: Any) -> Image.Image:
    return Image.new(mode, SIZE, colour)


def palette(*colours: int) -> Image.Image:
    image = Image.new("P", SIZE, 0)
    image.putpalette(colours)
    return image


def deep(value: int) -> Image.Image:
    return Image.fromarray(np.full(SIZE, value, np.uint16))


RED = (255, 0, 0)
TABLE: dict[str, tuple[Image.Image, str, bytes | None, dict[str, Any], tuple[int, int, int]]] = {
    "RGB": (plain("RGB", RED), "PNG", TURNED, {}, GREEN),
    "RGB, TIFF": (plain("RGB", RED), "TIFF", TURNED, {}, GREEN),
    "RGB, WebP": (plain("RGB", RED), "WEBP", TURNED, {"lossless": True}, GREEN),
    "RGB, linear": (plain("RGB", (128,) * 3), "PNG", LINEAR, {}, LIGHT),
    "opaque": (plain("RGBA", (*RED, 255)), "PNG", TURNED, {}, GREEN),
    "half transparent": (plain("RGBA", (*RED, 128)), "PNG", TURNED, {}, PALE),
    "half transparent, WebP": (
        plain("RGBA", (*RED, 128)),
        "WEBP",
        TURNED,
        {"lossless": True},
        PALE,
    ),
    "half transparent, TIFF": (plain("RGBA", (*RED, 128)), "TIFF", TURNED, {}, PALE),
    "transparent": (plain("RGBA", (*RED, 0)), "PNG", TURNED, {}, WHITE),
    "palette": (palette(*RED, 0, 255, 0), "PNG", TURNED, {}, GREEN),
    "palette, other colour clear": (
        palette(*RED, 0, 255, 0),
        "PNG",
        TURNED,
        {"transparency": 1},
        GREEN,
    ),
    "palette, this colour clear": (palette(*RED), "PNG", TURNED, {"transparency": 0}, WHITE),
    "palette, half clear": (palette(*RED), "PNG", TURNED, {"transparency": bytes([128])}, PALE),
    "palette of grey": (palette(128, 128, 128), "PNG", GREY, {}, LIGHT),
    "RGB, one colour clear": (
        plain("RGB", RED),
        "PNG",
        TURNED,
        {"transparency": (0, 255, 0)},
        GREEN,
    ),
    "grey": (plain("L", 128), "PNG", GREY, {}, LIGHT),
    "grey, JPEG": (plain("L", 128), "JPEG", GREY, {}, LIGHT),
    "grey with a profile of RGB": (plain("L", 128), "PNG", LINEAR, {}, LIGHT),
    "grey, transparent": (plain("LA", (128, 255)), "PNG", GREY, {}, LIGHT),
    "grey, transparent, profile of RGB": (plain("LA", (128, 255)), "PNG", LINEAR, {}, LIGHT),
    "grey of 16 bit": (deep(128 * 257), "PNG", GREY, {}, LIGHT),
    "grey of 16 bit, clear": (deep(1000), "PNG", GREY, {"transparency": 1000}, WHITE),
    "grey of 16 bit, other clear": (
        deep(128 * 257),
        "PNG",
        GREY,
        {"transparency": 1000},
        LIGHT,
    ),
    "grey as RGB": (plain("RGB", (128,) * 3), "PNG", GREY, {}, LIGHT),
    "black and white": (plain("1", 1), "PNG", GREY, {}, WHITE),
    "CMYK, TIFF": (plain("CMYK", (255, 0, 0, 0)), "TIFF", profiles.cmyk(), {}, (184, 184, 184)),
    "CMYK, JPEG": (plain("CMYK", (255, 0, 0, 0)), "JPEG", profiles.cmyk(), {}, (184, 184, 184)),
    "CMYK, no profile": (plain("CMYK", (255, 0, 0, 0)), "TIFF", None, {}, (0, 255, 255)),
    # A profile that does not fit is passed over, the picture is not.
    "CMYK with a profile of RGB": (
        plain("CMYK", (255, 0, 0, 0)),
        "TIFF",
        TURNED,
        {},
        (0, 255, 255),
    ),
    "RGB with a profile of CMYK": (plain("RGB", RED), "PNG", profiles.cmyk(), {}, RED),
    "RGB with a profile of grey": (plain("RGB", RED), "PNG", GREY, {}, RED),
    "damaged": (plain("RGBA", (*RED, 128)), "PNG", TURNED[:200], {}, (255, 127, 127)),
    "junk": (palette(*RED), "PNG", b"junk", {}, RED),
    "empty": (plain("RGB", RED), "TIFF", b"", {}, RED),
}


@pytest.mark.parametrize("way", ["prepare", "endpoint"])
@pytest.mark.parametrize("name", TABLE)
def test_the_colour_of(name: str, way: str) -> None:
    image, kind, profile, options, right = TABLE[name]
    data = encoded(image, kind, icc_profile=profile, **options)
    if way == "prepare":
        pixels = reading.decode_file(data, spec("in", "out"))
    else:
        formats = REQUESTED if kind in REQUESTED else None
        pixels = reading.read(data, (16, 16, 3), max_pixels=10_000, formats=formats)
    assert np.abs(pixels.astype(int) - right).max() <= 2
    grey = reading.read(data, (16, 16, 1), max_pixels=10_000)
    assert grey.shape == (16, 16, 1)
