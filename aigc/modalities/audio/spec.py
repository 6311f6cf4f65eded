"""`aigc data prepare` for sounds."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from aigc.modalities.prepare_spec import PrepareSpec

_MOST_VALUES = 2**22
Decibels = Annotated[float, Field(ge=-96, le=0)]
"""Of full scale, which is 0."""


class PrepareSounds(PrepareSpec):
    """Raw sounds in; a validated, deduplicated, split and sharded data set of clips of one length
    out."""

    column_field: ClassVar[str] = "audio_column"

    modality: Literal["audio"] = "audio"
    """Selects this kind of content."""
    seconds: float = Field(1.0, gt=0, le=60)
    """Length in seconds of every stored clip, up to 60. Longer sounds are cut, shorter ones padded
    with silence."""
    rate: int = Field(16_000, ge=4_000, le=96_000)
    """Samples per second of every stored clip, 4000..96000."""
    channels: Literal[1, 2] = 1
    """1 stores mono (the mean of both channels), 2 stores stereo."""
    loudness: Literal["peak", "rms", "keep"] = "peak"
    """What is scaled to `level_db`: the highest sample (`peak`), or the root mean square of the
    parts that are not silent (`rms`). `keep` scales nothing."""
    level_db: Decibels | None = None
    """Level in decibels of full scale. Default: -1 for `peak`, -20 for `rms`. `rms` never raises
    the highest sample above full scale."""
    silence_db: Decibels = -60.0
    """Files without a sample above this level, in decibels of full scale, are rejected as
    silent."""
    start_db: Decibels = -40.0
    """Level, in decibels relative to the sound's highest sample, at which a sound begins. What lies
    more than 2 ms before it is cut off."""
    audio_column: str = "audio"
    """Column of encoded sounds in a Parquet source."""
    max_clipped: float = Field(0.1, ge=0, le=1)
    """A sound is rejected if more than this share of its loudest 50 ms is clipped: three or more
    equal samples in a row at its highest level."""
    max_seconds: float = Field(60.0, gt=0, le=3600)
    """Files longer than this many seconds are rejected before they are decoded."""
    near_duplicate_distance: int = Field(6, ge=0, le=16)
    """Number of bits, 0..16, by which the 64-bit hashes of the spectrograms of two near duplicates
    may differ."""
    near_duplicate_rmse: float = Field(10.0, ge=0, le=255)
    """Root mean squared difference of the spectrograms, where one of them is not silent, below
    which a match of the hashes counts; in levels of 0.31 dB."""

    @property
    def samples(self) -> int:
        """Samples per channel of every stored clip."""
        return max(1, round(self.seconds * self.rate))

    @property
    def target_db(self) -> float:
        """`level_db`, or the default of `loudness`."""
        if self.level_db is not None:
            return self.level_db
        return -20.0 if self.loudness == "rms" else -1.0

    @model_validator(mode="after")
    def _level_is_used(self) -> Self:
        if self.level_db is not None and self.loudness == "keep":
            raise ValueError(
                f"level_db {self.level_db:g} has no effect with loudness keep: leave it out, or "
                "set loudness to peak or rms"
            )
        return self

    @model_validator(mode="after")
    def _few_values(self) -> Self:
        if self.samples < 256:
            raise ValueError(
                f"seconds {self.seconds:g} at rate {self.rate}: expected 256 samples or more"
            )
        if self.samples * self.channels > _MOST_VALUES:
            raise ValueError(
                f"seconds {self.seconds:g} at rate {self.rate}: expected at most "
                f"{_MOST_VALUES // self.channels:,} samples; lower one of both"
            )
        return self
