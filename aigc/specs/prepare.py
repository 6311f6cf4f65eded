"""`aigc data prepare`: raw images in, a data set out."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from aigc.specs.base import Fit, Fraction, Location, Placement, Seed, Spec

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


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Role: TypeAlias = Literal["train", "test", "ignore"]
"""What the pictures of a folder are for."""


class PrepareSpec(Spec):
    """Raw images in, a clean, split, sharded data set out."""

    source: Location
    """Folder (class = sub-folder, or a table such as metadata.csv), IDX folder, Parquet
    file/folder, ZIP, tar or folder of WebDataset shards; local or s3://."""
    out: Location
    format: Literal["auto", "folder", "idx", "parquet"] = "auto"
    splits: dict[str, Role] | None = None
    """Which folders (or words in the names of Parquet files) are splits, such as {Train: train,
    dev: test, extra: ignore}; unset means usual names are recognised, {} means there are none."""
    class_level: int | None = Field(None, ge=0, le=32)
    """Which folder of a picture's path is its class: 1 for SOURCE/<class>/…, 2 for
    SOURCE/x/<class>/…, 0 for no classes; unset means it is recognised."""
    label_file: str | None = None
    """The table of labels in a folder source, such as annotations/train.csv; unset means
    metadata.csv, .jsonl or .parquet and StyleGAN's dataset.json wherever they lie, "" none."""
    ignore: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    """Names or paths to leave out, with * and ?, such as [masks, "*_depth.png", "raw/old"]."""
    size: Size = 64
    """Every stored image's height and width in pixels: 64 for both, or 64x96 ([64, 96])."""
    channels: Literal[1, 3] = 3
    fit: Fit = "crop"
    """How other aspect ratios become that of `size`: centre crop, pad with white, or stretch."""
    image_column: str = "image"
    label_column: str = "label"
    """Classes in Parquet ("" for none) or in metadata.csv/.jsonl ("" for sub-folders)."""
    caption_column: str | None = None
    """Free text of each image; unset means `caption` or `text` where there is one, "" means none.
    """
    licence_column: str | None = None
    """Licence of each image; unset means `licence` or `license` where there is one."""
    creator_column: str | None = None
    """Who made each image; unset means `creator` or `author` where there is one."""
    animated: Literal["reject", "first"] = "reject"
    truncated: Literal["reject", "keep"] = "reject"
    """What becomes of a file that is cut off at its end; kept, what is missing is grey or black."""
    max_pixels: int = Field(50_000_000, ge=1)
    """An image that would decode to more pixels is rejected unread (decompression bomb)."""
    duplicates: Literal["drop", "keep"] = "drop"
    near_duplicates: Literal["drop", "keep"] = "drop"
    near_duplicate_distance: int = Field(2, ge=0, le=16)
    """Bits in which the 64-bit perceptual hashes of two near duplicates may differ."""
    near_duplicate_rmse: float = Field(4.0, ge=0, le=255)
    """Root mean squared pixel difference (0..255) below which a hash match counts."""
    test_fraction: Fraction = 0.1
    """Share held out for evaluation; a source with its own train/ and test/ keeps them."""
    seed: Seed = 0
    max_rejects: Annotated[float, Field(ge=0)] = 0.05
    """Stop when more inputs are rejected: a share if below 1, else a number of files."""
    shard_bytes: int = Field(64 * 2**20, ge=2**20, le=2**30)
    placement: Placement = Placement()

    @property
    def height(self) -> int:
        """Of every stored image, in pixels."""
        return self.size if isinstance(self.size, int) else self.size[0]

    @property
    def width(self) -> int:
        """Of every stored image, in pixels."""
        return self.size if isinstance(self.size, int) else self.size[1]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every stored image."""
        return self.height, self.width, self.channels

    @property
    def image_bytes(self) -> int:
        """Size of one decoded image."""
        return self.height * self.width * self.channels
