"""`aigc data prepare`."""

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
"""Split of the images in a folder; `ignore` leaves them out."""


class PrepareSpec(Spec):
    """Raw images in; a validated, deduplicated, split and sharded data set out."""

    source: Location
    """Raw images, local or s3://: a folder (classes as sub-folders, or a table such as
    metadata.csv), an IDX folder, a Parquet file or folder, a ZIP, a tar, or a folder of WebDataset
    shards."""
    out: Location
    """Folder of the prepared data set, local or s3://. The same command resumes."""
    format: Literal["auto", "folder", "idx", "parquet"] = "auto"
    """Format of `source`. `auto` recognises it."""
    splits: dict[str, Role] | None = None
    """Folders (or words in the names of Parquet files) that are splits, such as {Train: train, dev:
    test, extra: ignore}. Default: common names are recognised. {}: there are no splits."""
    class_level: int | None = Field(None, ge=0, le=32)
    """Which folder of an image's path is its class: 1 for SOURCE/<class>/…, 2 for
    SOURCE/x/<class>/…, 0 for no classes. Default: recognised."""
    label_file: str | None = None
    """Table of labels in a folder source, such as annotations/train.csv. Default: metadata.csv,
    .jsonl or .parquet and StyleGAN's dataset.json in any folder. "": no table."""
    ignore: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    """Names or paths to leave out, with the wildcards * and ?, such as [masks, "*_depth.png",
    "raw/old"]."""
    size: Size = 64
    """Height and width of every stored image in pixels, 8..1024: 64 for 64x64, or height x width as
    64x96 or [64, 96]."""
    channels: Literal[1, 3] = 3
    """1 stores grey images, 3 stores RGB."""
    fit: Fit = "crop"
    """How images of another aspect ratio are fitted to `size`: `crop` to the centre, `pad` with
    white, or `stretch`."""
    image_column: str = "image"
    """Column of encoded images in a Parquet source."""
    label_column: str = "label"
    """Column of classes in a Parquet source ("": no classes) or in metadata.csv or .jsonl ("":
    classes are sub-folders)."""
    caption_column: str | None = None
    """Column of each image's caption. Default: `caption` or `text` if there is one. "": no
    captions."""
    licence_column: str | None = None
    """Column of each image's licence. Default: `licence` or `license` if there is one."""
    creator_column: str | None = None
    """Column of each image's creator. Default: `creator` or `author` if there is one."""
    animated: Literal["reject", "first"] = "reject"
    """Reject animated images, or take their `first` frame."""
    truncated: Literal["reject", "keep"] = "reject"
    """Reject image files that end too early, or `keep` them with the missing part grey or black."""
    max_pixels: int = Field(50_000_000, ge=1)
    """Images with more pixels are rejected before they are decoded (protection from decompression
    bombs)."""
    duplicates: Literal["drop", "keep"] = "drop"
    """Drop or keep images with the same pixels as an earlier one."""
    near_duplicates: Literal["drop", "keep"] = "drop"
    """Drop or keep images that nearly equal an earlier one, as the next two fields define it."""
    near_duplicate_distance: int = Field(2, ge=0, le=16)
    """Number of bits, 0..16, by which the 64-bit perceptual hashes of two near duplicates may
    differ."""
    near_duplicate_rmse: float = Field(4.0, ge=0, le=255)
    """Root mean squared pixel difference (0..255) below which a match of the hashes counts."""
    test_fraction: Fraction = 0.1
    """Share of the images held out for evaluation. Ignored if the source has train and test
    splits."""
    seed: Seed = 0
    """Seed of the choice of held-out images."""
    max_rejects: Annotated[float, Field(ge=0)] = 0.05
    """Stop if more inputs are rejected: a share if below 1, else a number of files."""
    shard_bytes: int = Field(64 * 2**20, ge=2**20, le=2**30)
    """Target size in bytes of each output file, 1 MiB to 1 GiB."""
    placement: Placement = Placement()
    """Where the job is executed."""

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

    @property
    def image_bytes(self) -> int:
        """Size of one decoded image in bytes."""
        return self.height * self.width * self.channels
