"""`aigc data prepare`: raw files in, a data set out.

`PrepareSpec` has the fields of every kind of content; each modality adds its own
(`MODALITIES[...].source.spec`).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from aigc.strict import Fraction, Place, Placement, Seed, Spec


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Role: TypeAlias = Literal["train", "test", "ignore"]
"""What the files of a folder are for."""


class PrepareSpec(Spec):
    """Raw files in, a clean, split, sharded data set out."""

    column_field: ClassVar[str]
    """Which field names the column of encoded items in Parquet."""

    modality: str
    """The kind of content: image or audio; on the command line unset means it is recognised by the
    names of the files."""
    source: Place
    """Folder (class = sub-folder, or a table such as metadata.csv), IDX folder, Parquet
    file/folder, ZIP, tar or folder of WebDataset shards; local or s3://."""
    out: Place
    format: Literal["auto", "folder", "idx", "parquet"] = "auto"
    splits: dict[str, Role] | None = None
    """Which folders (or words in the names of Parquet files) are splits, such as {Train: train,
    dev: test, extra: ignore}; unset means usual names are recognised, {} means there are none."""
    class_level: int | None = Field(None, ge=0, le=32)
    """Which folder of a file's path is its class: 1 for SOURCE/<class>/…, 2 for
    SOURCE/x/<class>/…, 0 for no classes; unset means it is recognised."""
    label_file: str | None = None
    """The table of labels in a folder source, such as annotations/train.csv; unset means
    metadata.csv, .jsonl or .parquet and StyleGAN's dataset.json wherever they lie, "" none."""
    ignore: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    """Names or paths to leave out, with * and ?, such as [masks, "*_depth.png", "raw/old"]."""
    label_column: str = "label"
    """Classes in Parquet ("" for none) or in metadata.csv/.jsonl ("" for sub-folders)."""
    caption_column: str | None = None
    """Free text of each item; unset means `caption` or `text` where there is one, "" means none."""
    licence_column: str | None = None
    """Licence of each item; unset means `licence` or `license` where there is one."""
    creator_column: str | None = None
    """Who made each item; unset means `creator` or `author` where there is one."""
    truncated: Literal["reject", "keep"] = "reject"
    """What becomes of a file that is cut off at its end; kept, what is missing is grey or black, or
    silence."""
    duplicates: Literal["drop", "keep"] = "drop"
    near_duplicates: Literal["drop", "keep"] = "drop"
    near_duplicate_distance: int = Field(2, ge=0, le=16)
    """Bits in which the 64-bit perceptual hashes of two near duplicates may differ."""
    near_duplicate_rmse: float = Field(4.0, ge=0, le=255)
    """Root mean squared difference (0..255) below which a hash match counts: of pixels, or of the
    levels of spectrograms."""
    test_fraction: Fraction = 0.1
    """Share held out for evaluation; a source with its own train/ and test/ keeps them."""
    seed: Seed = 0
    max_rejects: Annotated[float, Field(ge=0)] = 0.05
    """Stop when more inputs are rejected: a share if below 1, else a number of files."""
    shard_bytes: int = Field(64 * 2**20, ge=2**20, le=2**30)
    placement: Placement = Placement()

    @property
    def item_column(self) -> str:
        """Of encoded items in Parquet."""
        return str(getattr(self, self.column_field))
