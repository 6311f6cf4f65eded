"""`aigc data prepare` for images."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from aigc.modalities.prepare_spec import PrepareSpec
from aigc.strict import WHITE, Colour, Fit

_SIDES = (8, 1024)
_HEIGHT_X_WIDTH = re.compile(r"(\d{1,5})(?:\s*[xX×]\s*(\d{1,5}))?", re.ASCII)
_SIDE_SCHEMA = {"type": "integer", "minimum": _SIDES[0], "maximum": _SIDES[1]}
_SIZE_SCHEMA = {
    "anyOf": [
        _SIDE_SCHEMA,
        {"type": "array", "items": _SIDE_SCHEMA, "minItems": 2, "maxItems": 2},
        {"type": "string", "pattern": r"^\d+(x\d+)?$"},
    ]
}


def _size(value: Any) -> int | tuple[int, int]:
    sides: Any = value
    if isinstance(value, str) and (match := _HEIGHT_X_WIDTH.fullmatch(value.strip())):
        sides = [int(side) for side in match.groups() if side]
    sides = list(sides) if isinstance(sides, list | tuple) else [sides]
    low, high = _SIDES
    whole = all(isinstance(side, int) and not isinstance(side, bool) for side in sides)
    if not whole or len(sides) not in (1, 2) or not all(low <= side <= high for side in sides):
        raise ValueError(f"expected pixels in {low}..{high}, for example 64, or 64x96 (HxW)")
    return sides[0] if sides[0] == sides[-1] else (sides[0], sides[1])


def _plain(size: int | tuple[int, int]) -> Any:
    return size if isinstance(size, int) else list(size)


Size: TypeAlias = Annotated[
    int | tuple[int, int],
    PlainValidator(_size),
    PlainSerializer(_plain, when_used="json"),
    WithJsonSchema(_SIZE_SCHEMA),
]
"""One side of a square, or (height, width)."""


class PrepareImages(PrepareSpec):
    """Raw images in; a validated, deduplicated, split and sharded data set out."""

    column_field: ClassVar[str] = "image_column"

    modality: Literal["image"] = "image"
    """Selects this kind of content."""
    size: Size = 64
    """Height and width of every stored image in pixels, 8..1024: 64 for 64x64, or height x width as
    64x96 or [64, 96]."""
    channels: Literal[1, 3] = 3
    """1 stores grey images, 3 stores RGB."""
    fit: Fit = "crop"
    """How images of another aspect ratio are fitted to `size`: `crop` to the centre, `pad` with
    `background`, or `stretch`."""
    background: Colour = WHITE
    """Colour behind transparent images and around padded ones, such as white or '#f4efe6'. Choose
    one that the products stand out from: training loses white things on white."""
    image_column: str = "image"
    """Column of encoded images in a Parquet source."""
    animated: Literal["reject", "first"] = "reject"
    """Reject animated images, or take their `first` frame."""
    max_pixels: int = Field(50_000_000, ge=1)
    """Images with more pixels are rejected before they are decoded (protection from decompression
    bombs)."""

    @property
    def height(self) -> int:
        """Height of every stored image in pixels."""
        return self.size if isinstance(self.size, int) else self.size[0]

    @property
    def width(self) -> int:
        """Width of every stored image in pixels."""
        return self.size if isinstance(self.size, int) else self.size[1]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every stored image."""
        return self.height, self.width, self.channels
