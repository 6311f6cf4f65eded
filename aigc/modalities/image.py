"""Images: pixels ⇄ encoded bytes ⇄ network tensors, and sheets to look at.

Pixels are uint8 (N, H, W, C) in 0..255 with C = 1 (grey) or 3 (RGB); networks see float32
(N, C, H, W) in [-1, 1].
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from aigc.specs import Codec
from aigc.types import UInt8Images

if TYPE_CHECKING:  # most users of this module only encode and decode: torch is loaded when needed
    import torch

MIME = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
SUFFIX = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


def to_network(pixels: UInt8Images) -> torch.Tensor:
    """uint8 (N, H, W, C) in 0..255 to float32 (N, C, H, W) in [-1, 1], channels last in memory."""
    import torch  # noqa: PLC0415

    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_pixels(tensor: torch.Tensor) -> UInt8Images:
    """float (N, C, H, W) in [-1, 1] to uint8 (N, H, W, C); values outside are clipped."""
    import torch  # noqa: PLC0415

    scaled = tensor.detach().float().add(1).mul_(127.5).round_().clamp_(0, 255)
    pixels: UInt8Images = scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return pixels


def encode(pixels: UInt8Images, codec: Codec, quality: int = 90) -> list[bytes]:
    """Each image of (N, H, W, C) as a file; `quality` 1..100 for jpeg and webp (100: lossless)."""
    flat = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    match codec:
        case "png":
            return [bytes(imagecodecs.png_encode(image, level=1)) for image in flat]
        case "jpeg":
            return [bytes(imagecodecs.jpeg8_encode(image, level=quality)) for image in flat]
        case "webp":
            rgb = np.broadcast_to(pixels, (*pixels.shape[:3], 3))
            lossless = quality == 100
            return [
                bytes(imagecodecs.webp_encode(image, level=quality, lossless=lossless))
                for image in np.ascontiguousarray(rgb)
            ]


def decode(data: bytes, channels: int) -> npt.NDArray[np.uint8]:
    """One of our own encoded files as uint8 (H, W, C). Raises ValueError when it is damaged."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    except (OSError, SyntaxError) as error:
        raise ValueError(f"not a readable image: {error}") from None
    return pixels[..., None] if channels == 1 else pixels


def resize(pixels: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """uint8 (H, W, C) to (height, width, C) by Lanczos with antialiasing."""
    if pixels.shape[:2] == (height, width):
        return pixels
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    resized = np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))
    return resized[..., None] if pixels.shape[-1] == 1 else resized


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
    font = ImageFont.load_default(size=max(12, min(18, step_y // 4)))
    widest = max((font.getlength(caption) for caption in captions or ()), default=-16)
    margin = int(widest) + 16
    sheet = Image.new("RGB", (margin + columns * step_x + gap, rows * step_y + gap), "white")
    for index, image in enumerate(big):
        row, column = divmod(index, columns)
        picture = Image.fromarray(image[..., 0] if channels == 1 else image)
        sheet.paste(picture, (margin + gap + column * step_x, gap + row * step_y))
    draw = ImageDraw.Draw(sheet)
    for row, caption in enumerate(captions or ()):
        centre = gap + row * step_y + step_y // 2
        draw.text((8, centre), caption, fill="black", anchor="lm", font=font)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
