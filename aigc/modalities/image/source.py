"""`Source` of images: any picture file to clean pixels of one size, stored as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import imagecodecs
import numpy as np
import numpy.typing as npt

from aigc.modalities import image as images
from aigc.modalities.base import Items, ItemType
from aigc.modalities.image import reading
from aigc.modalities.image.spec import PrepareImages
from aigc.types import Json, UInt8Images

_MOST_BYTES = 64 * 2**20


class ImageSource:
    """Pixels, uint8 (H, W, C)."""

    spec = PrepareImages
    noun = "image"
    column = "image"
    suffix = ".png"
    compresses = False
    suffixes = frozenset(
        (
            *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".webp", ".bmp", ".tif", ".tiff"),
            *(".avif", ".heic", ".heif", ".jp2", ".ppm", ".pgm", ".pbm", ".tga", ".psd", ".ico"),
        )
    )
    blank = 255
    values = "training pixels (0..1)"
    full_scale = 255.0

    def require(self) -> None:
        """Pillow is always there."""

    def quiet(self) -> AbstractContextManager[None]:
        return reading.quiet()

    def item(self, spec: PrepareImages) -> ItemType:
        return ItemType(spec.shape, "uint8")

    def identity(self, spec: PrepareImages) -> tuple[object, ...]:
        return spec.size, spec.channels

    def describe(self, spec: PrepareImages) -> Json:
        return {"height": spec.height, "width": spec.width, "channels": spec.channels}

    def feature(self, item: ItemType) -> Json:
        del item
        return {"_type": "Image"}

    def most_file_bytes(self, spec: PrepareImages) -> int:
        return max(_MOST_BYTES, 4 * spec.max_pixels)

    def read(self, data: bytes, spec: PrepareImages) -> Items:
        return reading.decode_file(data, spec)

    def encode(self, items: UInt8Images, item: ItemType) -> list[bytes]:
        del item
        return images.encode(items, "png")

    def decode(self, data: bytes, item: ItemType) -> Items:
        try:
            return np.asarray(imagecodecs.png_decode(data)).reshape(item.shape)
        except RuntimeError as error:
            raise ValueError(str(error)) from None

    def plane(self, items: UInt8Images) -> npt.NDArray[np.float64]:
        """Grey levels: the mean of the channels."""
        grey: npt.NDArray[np.float64] = items.mean(axis=-1, dtype=np.float64)
        return grey

    def compared(self, items: UInt8Images) -> UInt8Images:
        """The images themselves."""
        return items

    def distance(self, left: UInt8Images, right: UInt8Images) -> npt.NDArray[np.float64]:
        """Of all pixels and channels."""
        difference = left.astype(np.float64) - right
        root: npt.NDArray[np.float64] = np.sqrt(np.square(difference).mean(axis=(1, 2, 3)))
        return root

    def sheet(self, items: UInt8Images, columns: int, captions: Sequence[str] | None) -> bytes:
        return images.contact_sheet(items, columns, captions)

    def in_words(self, item: ItemType) -> str:
        height, width, channels = item.shape
        return f"{width} x {height} {'grey' if channels == 1 else 'RGB'}"

    def steps(self, spec: PrepareImages) -> str:
        return (
            f"laid on {spec.background} where transparent, brought into shape by `{spec.fit}`, "
            "resized by antialiased Lanczos, stored as PNG"
        )

    def changes(self) -> str:
        return "The pictures were resized and stored as PNG; nothing else was changed."
