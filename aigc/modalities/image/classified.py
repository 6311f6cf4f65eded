"""Images as classifiers take them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from aigc.modalities.classified import RANGES, ClassifierInput
from aigc.modalities.image import recolour
from aigc.modalities.item import Items

_CHANNELS = {"NCHW": 1, "NHWC": 3}


class ImageClassified:
    """uint8 (H, W, C) with 1 or 3 channels."""

    def layouts(self, shape: Sequence[Any]) -> tuple[str, ...]:
        if len(shape) != 4:
            return ()
        return tuple(name for name, axis in _CHANNELS.items() if shape[axis] in (1, 3))

    def probes(self, count: int) -> Sequence[Items]:
        pixels = np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), np.uint8)
        return list(pixels)

    def feed(self, item: Items, wanted: ClassifierInput) -> npt.NDArray[np.generic]:
        shaped = _scaled(recolour(item[None], "grey" if wanted.channels == 1 else "rgb")[0], wanted)
        if wanted.order == "bgr":
            shaped = shaped[..., ::-1]
        if wanted.layout == "NCHW":
            shaped = np.moveaxis(shaped, -1, 0)
        return np.ascontiguousarray(shaped[None])


def _scaled(pixels: npt.NDArray[np.uint8], wanted: ClassifierInput) -> npt.NDArray[np.generic]:
    """(H, W, C) as (height, width, C), in the values that the classifier takes."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    edge, height, width = wanted.border, wanted.height, wanted.width
    image = image.resize((width + 2 * edge, height + 2 * edge), Image.Resampling.BILINEAR)
    image = image.crop((edge, edge, edge + width, edge + height))
    if wanted.jpeg:
        image = _through_jpeg(image)
    levels = np.asarray(image).reshape(height, width, wanted.channels)
    return _values(levels, wanted)


def _through_jpeg(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    buffer.seek(0)
    with Image.open(buffer, formats=("JPEG",)) as again:
        again.load()
        return again


def _values(levels: npt.NDArray[np.uint8], wanted: ClassifierInput) -> npt.NDArray[np.generic]:
    """uint8 levels in the range of `wanted`; mean and std are in the order of its channels."""
    if wanted.dtype == "uint8":
        return levels
    black, white = RANGES[wanted.range]
    values = levels.astype(np.float32) * np.float32((white - black) / 255) + np.float32(black)
    turned = slice(None, None, -1 if wanted.order == "bgr" else 1)
    if wanted.mean:
        values = values - np.asarray(wanted.mean, np.float32)[turned]
    if wanted.std:
        values = values / np.asarray(wanted.std, np.float32)[turned]
    return values.astype(wanted.dtype)
