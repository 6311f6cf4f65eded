"""`aigc data prepare`: raw files in, a data set out.

`PrepareSpec` has the fields of every kind of content; each modality adds its own
(`MODALITIES[...].source.spec`).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from aigc.modalities.rights import Rights
from aigc.strict import Fraction, Location, Placement, Seed, Spec


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Role: TypeAlias = Literal["train", "test", "ignore"]
"""What the files of a folder are for."""


class PrepareSpec(Spec):
    """Raw files in; a validated, deduplicated, split and sharded data set out."""

    column_field: ClassVar[str]
    """Which field names the column of encoded items in Parquet."""

    modality: str
    """Kind of content: image or audio. Default on the command line: recognised by the names of the
    files."""
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
    """Which folder of a file's path is its class: 1 for SOURCE/<class>/…, 2 for
    SOURCE/x/<class>/…, 0 for no classes. Default: recognised."""
    label_file: str | None = None
    """Table of labels in a folder source, such as annotations/train.csv. Default: metadata.csv,
    .jsonl or .parquet and StyleGAN's dataset.json in any folder. "": no table."""
    ignore: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    """Names or paths to leave out, with the wildcards * and ?, such as [masks, "*_depth.png",
    "raw/old"]."""
    label_column: str = "label"
    """Column of classes in a Parquet source ("": no classes) or in metadata.csv or .jsonl ("":
    classes are sub-folders)."""
    caption_column: str | None = None
    """Column of each item's caption. Default: `caption` or `text` if there is one. "": no
    captions."""
    licence_column: str | None = None
    """Column of each item's licence. Default: `licence` or `license` if there is one."""
    creator_column: str | None = None
    """Column of each item's creator. Default: `creator` or `author` if there is one."""
    source_column: str | None = Field(None, exclude_if=lambda found: found is None)
    """Column of where each item was published. Default: `source_url`, `source` or `url` if `rights`
    asks for it, else not read."""
    consent_column: str | None = Field(None, exclude_if=lambda found: found is None)
    """Column of the consent of the people shown. Default: `consent` if `rights` asks for it, else
    not read."""
    rights: Rights | None = Field(None, exclude_if=lambda found: found is None)
    """What is asked of the rights of each item. Default: nothing."""
    truncated: Literal["reject", "keep"] = "reject"
    """Reject files that end too early, or `keep` them with the missing part grey or black, or
    silent."""
    duplicates: Literal["drop", "keep"] = "drop"
    """Drop or keep images with the same pixels as an earlier one."""
    near_duplicates: Literal["drop", "keep"] = "drop"
    """Drop or keep images that nearly equal an earlier one, as the next two fields define it."""
    near_duplicate_distance: int = Field(2, ge=0, le=16)
    """Number of bits, 0..16, by which the 64-bit perceptual hashes of two near duplicates may
    differ."""
    near_duplicate_rmse: float = Field(4.0, ge=0, le=255)
    """Root mean squared difference (0..255) of pixels, or of the levels of spectrograms, below
    which a match of the hashes counts."""
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

    @model_validator(mode="after")
    def _near_duplicates_are_sought(self) -> Self:
        for name in ("near_duplicate_distance", "near_duplicate_rmse"):
            changed = getattr(self, name) != type(self).model_fields[name].default
            if changed and self.near_duplicates == "keep":
                raise ValueError(
                    f"{name} {getattr(self, name):g} has no effect with near_duplicates keep: "
                    "leave it out, or set near_duplicates to drop"
                )
        return self

    @property
    def item_column(self) -> str:
        """Column of encoded items in a Parquet source."""
        return str(getattr(self, self.column_field))
