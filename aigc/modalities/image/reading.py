"""Any image file from anywhere to clean pixels of one size, or a reason why not.

The bytes are not trusted: the header is read first and nothing is decoded that would be larger than
the spec allows.
"""

from __future__ import annotations

import contextlib
import io
import re
import threading
import warnings
from collections.abc import Iterator

import imagecodecs
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError

from aigc.modalities.base import RejectError
from aigc.modalities.image.formats import looks_like, readable
from aigc.modalities.image.spec import PrepareImages
from aigc.strict import Fit

Pixels = npt.NDArray[np.uint8]
"""(H, W, C) in 0..255."""

_SRGB = ImageCms.createProfile("sRGB")
_COLOURS = ("L", "RGB", "CMYK", "LAB")
"""Modes that keep their channels until a profile is applied."""
_CUT = re.compile("truncated|unexpected end", re.IGNORECASE)
_WIDE = ("I", "I;16", "I;16B", "I;16L", "I;16N")


class TruncatedError(RejectError):
    """It ends before all its pixels do."""


class TooLargeError(RejectError):
    """Its header says more pixels than are allowed."""


class _Lenient:
    """While entered, Pillow fills up what is missing of a picture. Its setting belongs to the
    process, so it lasts until the last thread has left."""

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            ImageFile.LOAD_TRUNCATED_IMAGES = True

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            ImageFile.LOAD_TRUNCATED_IMAGES = self._inside > 0


_LENIENT = _Lenient()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Pillow's remarks on odd files go nowhere: what matters of them is a reason in the rejects.

    Warning filters belong to the process, so this goes around the threads, not into them.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        yield


def decode_file(data: bytes, spec: PrepareImages) -> Pixels:
    """An encoded image as uint8 (height, width, channels), colours as sRGB, composited on
    `spec.background`.

    Raises:
        RejectError: empty, not an image, truncated (unless `spec.truncated` keeps it), too many
            pixels, animated, or an unknown range.
    """
    if not data:
        raise RejectError("empty file")

    def read_as_is() -> Pixels:
        animated = spec.animated == "first"
        return read(
            data,
            spec.shape,
            spec.fit,
            background=spec.background,
            max_pixels=spec.max_pixels,
            animated=animated,
        )

    if spec.truncated == "reject":
        return read_as_is()
    try:
        return read_as_is()
    except TruncatedError:
        with _LENIENT:
            return read_as_is()


def read(
    data: bytes,
    shape: tuple[int, int, int],
    fit: Fit = "crop",
    *,
    background: str = "white",
    max_pixels: int,
    animated: bool = True,
    formats: tuple[str, ...] | None = None,
) -> Pixels:
    """An encoded image of one of `formats` (all `readable` by default) as uint8 (H, W, C) of this
    `shape`: upright, colours as sRGB, composited on `background`.

    Raises:
        TooLargeError: its header says more than `max_pixels`.
        TruncatedError: it is cut off.
        RejectError: not an image, damaged, animated (unless `animated`: then the first frame), or
            an unknown range.
    """
    height, width, channels = shape
    try:
        with Image.open(io.BytesIO(data), formats=formats or readable()) as image:
            _check_header(image, max_pixels, animated)
            image.draft(None, (2 * width, 2 * height))
            clear = _clear_of_wide(image, data)
            plain = _to_plain(image, channels, clear, background)
            return _fit(plain, (width, height), fit, background)
    except (RejectError, MemoryError):
        raise
    except UnidentifiedImageError:
        reason = looks_like(data) or "not an image of a known format"
        raise RejectError(reason) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooLargeError(f"more than max_pixels = {max_pixels:,} pixels") from None
    except Exception as error:  # Pillow's decoders raise many kinds on damaged input
        detail = " ".join(str(error).split()) or type(error).__name__
        if _CUT.search(detail):
            raise TruncatedError(f"cut off at its end ({detail})") from None
        raise RejectError(f"cannot be decoded: {detail}") from None


def from_array(pixels: npt.NDArray[np.uint8], spec: PrepareImages) -> Pixels:
    """uint8 (H, W) or (H, W, 3) as (height, width, channels)."""
    if pixels.shape == (spec.height, spec.width) and spec.channels == 1:
        return pixels[..., None]
    mode = "L" if spec.channels == 1 else "RGB"
    image = Image.fromarray(pixels).convert(mode)
    return _fit(image, (spec.width, spec.height), spec.fit, spec.background)


def _fit(image: Image.Image, size: tuple[int, int], fit: Fit, background: str) -> Pixels:
    """A plain L or RGB image at `size` (width, height) by Lanczos with antialiasing."""
    if image.size != size:
        method = Image.Resampling.LANCZOS
        match fit:
            case "crop":
                image = ImageOps.fit(image, size, method)
            case "pad":
                image = ImageOps.pad(image, size, method, color=background)
            case "stretch":
                image = image.resize(size, method)
    pixels = np.asarray(image)
    return pixels[..., None] if image.mode == "L" else pixels


def _check_header(image: Image.Image, max_pixels: int, animated: bool) -> None:
    if image.width * image.height > max_pixels:
        raise TooLargeError(
            f"{image.width:,} x {image.height:,} pixels, more than max_pixels = {max_pixels:,}"
        )
    # A phone's MPO file counts its hidden depth map or preview as a second frame.
    several = bool(getattr(image, "is_animated", False)) and image.format != "MPO"
    if several and not animated:
        raise RejectError("holds several frames (animated); set animated = first to take the first")


def _clear_of_wide(image: Image.Image, data: bytes) -> Image.Image | None:
    """The opacity of an RGB PNG of 16 bit in which one colour is transparent, None of all others:
    Pillow drops the lower bytes, and finds the colour no more."""
    wide = any(tile[3] == "RGB;16B" for tile in getattr(image, "tile", ()))
    if not wide or not isinstance(image.info.get("transparency"), tuple):
        return None
    try:
        opacity = imagecodecs.png_decode(data)[..., 3]
    except (imagecodecs.PngError, IndexError):  # Pillow says what is wrong with it
        return None
    return Image.fromarray(np.where(opacity, 255, 0).astype(np.uint8))


def _to_plain(
    image: Image.Image, channels: int, clear: Image.Image | None, background: str
) -> Image.Image:
    """L or RGB, upright, in sRGB, transparency on `background`; `clear` is the opacity where
    Pillow cannot tell it."""
    profile = image.info.get("icc_profile")
    image.load()
    if clear is not None:
        image.info.pop("transparency")
        image.putalpha(clear)
    with contextlib.suppress(Exception):  # a damaged EXIF block does not spoil the picture
        image = ImageOps.exif_transpose(image)
    if image.mode in _WIDE:
        image = _narrow(image)
    elif image.mode == "F":
        raise RejectError("32-bit float pixels have no defined range; convert it to 8 or 16 bit")
    alpha = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
    if image.mode not in _COLOURS:
        image = image.convert("RGB")
    if profile:
        image = _to_srgb(image, profile)
    if alpha is not None:
        image = _composited(image, alpha, background)
    mode = "L" if channels == 1 else "RGB"
    return image if image.mode == mode else image.convert("RGB").convert(mode)


def _narrow(image: Image.Image) -> Image.Image:
    """16-bit grey to 8 bit: 65535 becomes 255; with transparency where it has one clear value."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise RejectError("32-bit pixels outside 0..65535 have no defined range")
    narrow = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if isinstance(clear := image.info.get("transparency"), int):
        narrow.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return narrow


def _composited(image: Image.Image, alpha: Image.Image, background: str) -> Image.Image:
    colours = image.convert("RGB")
    colours.putalpha(alpha)
    ground = Image.new("RGBA", image.size, background)
    return Image.alpha_composite(ground, colours).convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Colours through the embedded ICC profile; one that is damaged or does not fit is ignored.

    The profile decides how the pixels are taken: a grey picture may carry a profile of RGB, and a
    palette or RGB of equal parts one of grey.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        mode = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}.get(space)
        if mode is None or (mode != image.mode and not _same_colours(image, mode)):
            return image
        fitting = image if image.mode == mode else image.convert(mode)
        converted = ImageCms.profileToProfile(fitting, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return converted or image


def _same_colours(image: Image.Image, mode: str) -> bool:
    """Whether `image` in `mode` would hold the same values."""
    if image.mode == "L":
        return mode == "RGB"
    if image.mode != "RGB" or mode != "L":
        return False
    red, green, blue = (np.asarray(channel) for channel in image.split())
    return bool((red == green).all() and (green == blue).all())
