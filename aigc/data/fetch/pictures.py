"""Small pictures of archives: checked, laid on a colour, encoded without loss."""

from __future__ import annotations

import io

from PIL import Image

from aigc.errors import DataError

_MOST_PIXELS = 2**22


def lay_on(data: bytes, colour: str, formats: tuple[str, ...], name: str) -> bytes:
    """An encoded picture of one of `formats` on `colour` (#rrggbb), as lossless RGB WebP.

    Raises:
        DataError: it is not such a picture, is damaged, or has more than 4 million pixels.
    """
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise DataError(f"{name}: {image.width} x {image.height} pixels are too many")
            picture = image.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{name}: not a readable picture ({error})") from None
    ground = Image.new("RGBA", picture.size, colour)
    return encode(Image.alpha_composite(ground, picture).convert("RGB"))


def encode(image: Image.Image) -> bytes:
    """Lossless WebP by its quickest method: as small as PNG here, in a third of the time."""
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=True, method=0, quality=0)
    return buffer.getvalue()
