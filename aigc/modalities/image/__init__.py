"""Images: pixels ⇄ encoded bytes ⇄ network tensors, and sheets to look at.

Pixels are uint8 (N, H, W, C) in 0..255 with C = 1 (grey) or 3 (RGB); networks see float32
(N, C, H, W) in [-1, 1].
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import imagecodecs
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from aigc.modalities import lettering, png
from aigc.modalities.picture_formats import WRITTEN
from aigc.strict import Codec
from aigc.types import UInt8Images

if TYPE_CHECKING:  # most users of this module only encode and decode: torch is loaded when needed
    import torch

Resampling = Literal["lanczos", "bicubic", "nearest"]

MIME = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "raw": "application/octet-stream",
}
SUFFIX = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "raw": ".raw"}

_FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}
_LUMA = (19595, 38470, 7471)
"""Shares of red, green and blue in ITU-R BT.601 luma, in 1/65536 as Pillow rounds them."""


def to_network(pixels: UInt8Images) -> torch.Tensor:
    """uint8 (N, H, W, C) in 0..255 to float32 (N, C, H, W) in [-1, 1], channels last in memory."""
    import torch  # noqa: PLC0415

    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_pixels(tensor: torch.Tensor) -> UInt8Images:
    """float (N, C, H, W) in [-1, 1] to uint8 (N, H, W, C); values outside are clipped."""
    pixels: UInt8Images = to_levels(tensor).cpu().numpy()
    return pixels


def to_levels(tensor: torch.Tensor) -> torch.Tensor:
    """`to_pixels` as a tensor where the given one is: nothing waits for a device."""
    import torch  # noqa: PLC0415

    scaled = tensor.detach().float().add(1).mul_(127.5).round_().clamp_(0, 255)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def encode(pixels: UInt8Images, codec: Codec, quality: int = 90) -> list[bytes]:
    """Each image of (N, H, W, C) as a file; `quality` 1..100 for jpeg and webp (100: lossless).

    `raw` gives the H * W * C values themselves, row by row.
    """
    flat = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    match codec:
        case "png":
            return png.encode(pixels)
        case "jpeg":
            return [bytes(imagecodecs.jpeg8_encode(image, level=quality)) for image in flat]
        case "webp":
            return _encode_webp(pixels, quality)
        case "raw":
            return [image.tobytes() for image in pixels]


def _encode_webp(pixels: UInt8Images, quality: int) -> list[bytes]:
    """Lossless files are searched for with least effort: a tenth larger, many times as soon."""
    lossless = quality == 100
    effort = {"lossless": True, "method": 0} if lossless else {"lossless": False}
    rgb = np.ascontiguousarray(recolour(pixels, "rgb"))
    return [bytes(imagecodecs.webp_encode(image, level=quality, **effort)) for image in rgb]


def decode(data: bytes, channels: int) -> npt.NDArray[np.uint8]:
    """One of our own encoded files as uint8 (H, W, C). Raises ValueError when it is damaged."""
    try:
        with Image.open(io.BytesIO(data), formats=WRITTEN) as image:
            pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    except (OSError, SyntaxError) as error:
        raise ValueError(f"not a readable image: {error}") from None
    return pixels[..., None] if channels == 1 else pixels


def decode_raw(data: bytes, shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """Raw values as uint8 (H, W, C). Raises ValueError when they are too many or too few."""
    if len(data) != math.prod(shape):
        raise ValueError(f"{len(data)} raw values are not a {' x '.join(map(str, shape))} image")
    return np.frombuffer(data, np.uint8).reshape(shape)


def resize(
    pixels: npt.NDArray[np.uint8], height: int, width: int, resampling: Resampling = "lanczos"
) -> npt.NDArray[np.uint8]:
    """uint8 (H, W, C) to (height, width, C), antialiased unless nearest."""
    if pixels.shape[:2] == (height, width):
        return pixels
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    resized = np.asarray(image.resize((width, height), _FILTERS[resampling]))
    return resized[..., None] if pixels.shape[-1] == 1 else resized


def resample(
    pixels: UInt8Images, height: int, width: int, resampling: Resampling = "lanczos"
) -> UInt8Images:
    """uint8 (N, H, W, C) to (N, height, width, C), each image as `resize` does it."""
    if pixels.shape[1:3] == (height, width):
        return pixels
    resized = np.empty((len(pixels), height, width, pixels.shape[-1]), np.uint8)
    for at, image in enumerate(pixels):
        resized[at] = resize(image, height, width, resampling)
    return resized


def recolour(pixels: UInt8Images, colour: Literal["grey", "rgb"] | None) -> UInt8Images:
    """(N, H, W, C) with one channel (grey: ITU-R BT.601 luma, as Pillow's L) or three; None
    leaves it as it is."""
    channels = pixels.shape[-1]
    if colour == "rgb" and channels == 1:
        return np.repeat(pixels, 3, axis=-1)
    if colour == "grey" and channels == 3:
        luma = pixels.astype(np.uint32) @ np.array(_LUMA, np.uint32)
        return ((luma + 2**15) >> 16).astype(np.uint8)[..., None]
    return pixels


def fit(pixels: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """uint8 (H, W, C) inside a white (height, width, C): scaled down if need be, in the middle."""
    scale = min(1.0, height / pixels.shape[0], width / pixels.shape[1])
    inner = resize(
        pixels, max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale))
    )
    cell = np.full((height, width, pixels.shape[2]), 255, dtype=np.uint8)
    top, left = (height - inner.shape[0]) // 2, (width - inner.shape[1]) // 2
    cell[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return cell


def contact_sheet(
    pixels: UInt8Images, columns: int, captions: Sequence[str] | None = None, cell: int = 64
) -> bytes:
    """A PNG grid of (N, H, W, C), row by row; small images are enlarged to at least `cell` pixels.

    `captions`, one a row, are written in a margin on the left.
    """
    count, height, width, channels = pixels.shape
    zoom = max(1, round(cell / height))
    big = pixels.repeat(zoom, axis=1).repeat(zoom, axis=2)
    rows = -(-count // columns)
    gap, step_y, step_x = 2, height * zoom + 2, width * zoom + 2
    size = max(12, min(18, step_y // 4))
    written = [lettering.drawable(caption) for caption in captions or ()]
    widest = max((lettering.font(line, size).getlength(line) for line in written), default=-16)
    margin = int(widest) + 16
    sheet = Image.new("RGB", (margin + columns * step_x + gap, rows * step_y + gap), "white")
    for index, image in enumerate(big):
        row, column = divmod(index, columns)
        picture = Image.fromarray(image[..., 0] if channels == 1 else image)
        sheet.paste(picture, (margin + gap + column * step_x, gap + row * step_y))
    draw = ImageDraw.Draw(sheet)
    for row, line in enumerate(written):
        centre = gap + row * step_y + step_y // 2
        font = lettering.font(line, size)
        draw.text((8, centre), line, fill="black", anchor="lm", font=font)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()
