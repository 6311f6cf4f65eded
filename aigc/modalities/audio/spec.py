"""`aigc data prepare` for sounds."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from aigc.modalities.prepare_spec import PrepareSpec

_MOST_VALUES = 2**22
Decibels = Annotated[float, Field(ge=-96, le=0)]
"""Of full scale, which is 0."""


class PrepareSounds(PrepareSpec):
    """Raw sounds in, a clean, split, sharded data set of clips of one length out."""

    column_field: ClassVar[str] = "audio_column"

    modality: Literal["audio"] = "audio"
    seconds: float = Field(1.0, gt=0, le=60)
    """Length of every stored clip: longer sounds are cut, shorter ones end in silence."""
    rate: int = Field(16_000, ge=4_000, le=96_000)
    """Samples a second of every stored clip."""
    channels: Literal[1, 2] = 1
    """1 (mono: the mean of both channels) or 2 (stereo)."""
    loudness: Literal["peak", "rms", "keep"] = "peak"
    """What is brought to `level_db`: the highest sample, or the root mean square of what sounds;
    `keep` changes nothing."""
    level_db: Decibels | None = None
    """In decibels of full scale; unset means -1 for peak and -20 for rms. Where rms would raise the
    highest sample above full scale, the gain stops there."""
    silence_db: Decibels = -60.0
    """A file without a sample above this, in decibels of full scale, is rejected as silent."""
    start_db: Decibels = -40.0
    """A sound begins where it first comes so close to its highest sample; what lies more than 2 ms
    before is cut off."""
    audio_column: str = "audio"
    """Encoded sounds in Parquet."""
    max_clipped: float = Field(0.1, ge=0, le=1)
    """A sound is rejected when more than this share of its loudest 50 ms is clipped: three or more
    equal samples in a row at its highest level."""
    max_seconds: float = Field(60.0, gt=0, le=3600)
    """A file that lasts longer is rejected unread."""
    near_duplicate_distance: int = Field(6, ge=0, le=16)
    """Bits in which the 64-bit hashes of the spectrograms of two near duplicates may differ."""
    near_duplicate_rmse: float = Field(10.0, ge=0, le=255)
    """Root mean squared difference of spectrograms below which a hash match counts, in levels of
    0.31 dB where one of both sounds."""

    @property
    def samples(self) -> int:
        """Of every stored clip, in each channel."""
        return max(1, round(self.seconds * self.rate))

    @property
    def target_db(self) -> float:
        """`level_db`, or the default of `loudness`."""
        if self.level_db is not None:
            return self.level_db
        return -20.0 if self.loudness == "rms" else -1.0

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
