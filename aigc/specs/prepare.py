"""`aigc data prepare`: raw images in, a data set out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from aigc.specs.base import Fit, Fraction, Place, Placement, Seed, Spec


class PrepareSpec(Spec):
    """Raw images in, a clean, split, sharded data set out."""

    source: Place
    """Folder (class = sub-folder), IDX folder or Parquet file/folder; local or s3://."""
    out: Place
    format: Literal["auto", "folder", "idx", "parquet"] = "auto"
    size: int = Field(64, ge=8, le=1024)
    """Height and width of every stored image, in pixels."""
    channels: Literal[1, 3] = 3
    fit: Fit = "crop"
    """How other aspect ratios become square: centre crop, pad with white, or stretch."""
    image_column: str = "image"
    label_column: str = "label"
    animated: Literal["reject", "first"] = "reject"
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
