"""Pictures to watermark, and what people do to pictures."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from aigc.modalities.picture_formats import WRITTEN
from aigc.provenance.watermark.protocol import Picture
from tests.provenance.statements import pixels

KEY = b"a key of tests!!"


def product(size: int = 256, channels: int = 3) -> Picture:
    """A shaded ball and a box on white, as a shop shows its goods."""
    down, across = np.mgrid[:size, :size] / size
    shown = np.full((size, size, 3), 255.0)
    ball = np.hypot(down - 0.55, across - 0.4) < 0.3
    light = 1 - 1.2 * np.hypot(down - 0.45, across - 0.3)
    shown[ball] = light[ball, None] * np.array([220.0, 90.0, 40.0])
    box = (down > 0.5) & (down < 0.85) & (across > 0.6) & (across < 0.9)
    grain = np.random.default_rng(3).normal(0, 3, (size, size))
    shown[box] = 120 + 40 * across[box, None] + grain[box, None] + np.array([10, -10, -30])
    return np.ascontiguousarray(shown.clip(0, 255).astype(np.uint8)[..., :channels])


def smooth(size: int = 256, seed: int = 0, channels: int = 3) -> Picture:
    return pixels(1, size, channels, seed, detail=8)[0]


def coded(picture: Picture, codec: str, quality: int = 75) -> Picture:
    buffer = io.BytesIO()
    _image(picture).save(buffer, codec, quality=quality)
    with Image.open(io.BytesIO(buffer.getvalue()), formats=WRITTEN) as image:
        return _pixels(image, picture)


def resized(picture: Picture, scale: float) -> Picture:
    height, width = picture.shape[:2]
    image = _image(picture).resize(
        (round(width * scale), round(height * scale)), Image.Resampling.LANCZOS
    )
    return _pixels(image, picture)


def cropped(picture: Picture, kept: float, down: float = 0.3, across: float = 0.7) -> Picture:
    height, width = picture.shape[:2]
    top, left = (round((1 - kept) * side * at) for side, at in ((height, down), (width, across)))
    return picture[top : top + round(kept * height), left : left + round(kept * width)]


ATTACKS: dict[str, Callable[[Picture], Picture]] = {
    "none": lambda picture: picture,
    "jpeg 75": lambda picture: coded(picture, "JPEG"),
    "webp 80": lambda picture: coded(picture, "WEBP", 80),
    "half": lambda picture: resized(picture, 0.5),
    "double": lambda picture: resized(picture, 2),
    "crop": lambda picture: cropped(picture, 0.9),
    "crop, jpeg": lambda picture: coded(cropped(picture, 0.9, 0.0, 1.0), "JPEG"),
    "mirrored": lambda picture: picture[:, ::-1],
    "crop, mirrored": lambda picture: cropped(picture, 0.92)[:, ::-1],
    "darker": lambda picture: (picture * 0.8).astype(np.uint8),
}


def psnr_db(one: Picture, other: Picture) -> float:
    error = np.square(one.astype(np.float64) - other).mean()
    return float(10 * np.log10(255**2 / error))


def _image(picture: Picture) -> Image.Image:
    return Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)


def _pixels(image: Image.Image, like: Picture) -> Picture:
    shown = np.asarray(image.convert("L" if like.shape[2] == 1 else "RGB"))
    return shown[..., None] if shown.ndim == 2 else shown
