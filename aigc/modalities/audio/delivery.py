"""Finished sounds as files, and as what people look at and listen to."""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt
from pydantic import Field

from aigc.modalities.audio import files, sheet
from aigc.modalities.audio.reading import require_libraries
from aigc.modalities.delivery import (
    CODEC,
    QUALITY,
    BriefColumn,
    FileKind,
    Form,
    ItemFormat,
    Mask,
    built_form,
    data_uri,
    require_codec,
)
from aigc.modalities.item import Items, ItemType
from aigc.provenance.marker import Marks
from aigc.provenance.overlay import Overlay
from aigc.provenance.statement import ItemFacts
from aigc.types import Json, UInt8Images

if TYPE_CHECKING:
    from torch import Tensor

_TITLE = "sounds"
_ASKED = "codec quality rate"
_RATES = (4_000, 192_000)
_FULL_SCALE = 32768
_LEAST_FILE_BYTES = 1024
_VORBIS_SHARE = 0.3
"""The size of an Ogg file of a second at quality 90, against 16-bit samples (measured on tones and
noise: 0.24 to 0.36; of four seconds 0.11)."""


@dataclass(frozen=True)
class SoundFormat:
    """How one sound is delivered: `rate` in samples a second."""

    rate: int
    samples: int
    codec: str = "wav"
    quality: int = 90

    @property
    def weight(self) -> float:
        """Resampling and encoding go by the sample."""
        return max(1.0, self.samples / 2**14)


class SoundForm(Form):
    """How the sounds of a job are delivered."""

    codec: Literal["wav", "flac", "ogg"] = "wav"
    quality: int = Field(90, ge=1, le=100)
    """Of ogg."""
    rate: int = Field(ge=_RATES[0], le=_RATES[1])
    channels: Literal[1, 2]
    samples: int = Field(ge=1)
    """Of each channel, as the model makes them."""
    made_rate: int
    """At which it makes them."""


class AudioDelivery:
    """Samples, int16 (T, C)."""

    folder = "sounds"
    column = "audio"
    raw_column: str | None = None
    codecs: Mapping[str, FileKind] = {
        "wav": FileKind(".wav", "audio/wav"),
        "flac": FileKind(".flac", "audio/flac"),
        "ogg": FileKind(".ogg", "audio/ogg", lossy=True),
    }
    form: type[Form] = SoundForm
    columns: tuple[BriefColumn, ...] = (
        BriefColumn("rate", *_RATES),
        CODEC,
        QUALITY,
    )
    side_columns: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ("silent", "clipped")
    limits: tuple[str, ...] = ("silence_db", "max_clipped")
    cell_px = 220
    probe = ItemType((800, 1), "int16", 8000)
    draws = False

    def items(self, output: Tensor) -> Tensor:
        """float (N, C, T) in [-1, 1] to int16 (N, T, C)."""
        import torch  # noqa: PLC0415

        scaled = output.detach().float().mul(_FULL_SCALE).round_()
        whole = scaled.clamp_(-_FULL_SCALE, _FULL_SCALE - 1).to(torch.int16)
        return whole.transpose(1, 2).contiguous()

    def form_of(self, item: ItemType, asked: Mapping[str, Any]) -> SoundForm:
        require_libraries()
        samples, channels = item.shape
        own = {"samples": samples, "channels": channels, "made_rate": item.rate_hz}
        require_codec(self.codecs, asked.get("codec", "wav"), _TITLE)
        form = built_form(SoundForm, _TITLE, {"rate": item.rate_hz, **own}, asked, _ASKED)
        return cast("SoundForm", form)

    def format_of(self, form: Form, said: Mapping[str, Any] | None = None) -> SoundFormat:
        form = cast("SoundForm", form)
        own = {"rate": form.rate, "codec": form.codec, "quality": form.quality} | dict(said or {})
        return SoundFormat(samples=_resampled_length(form, own["rate"]), **own)

    def delivered(self, form: Form, wanted: ItemFormat) -> ItemType:
        form, wanted = cast("SoundForm", form), cast("SoundFormat", wanted)
        return ItemType((wanted.samples, form.channels), "int16", wanted.rate)

    def encode(
        self, items: Items, form: Form, wanted: ItemFormat, overlay: Overlay | None = None
    ) -> list[bytes]:
        form, wanted = cast("SoundForm", form), cast("SoundFormat", wanted)
        return [
            files.encode(_resampled(sound, form, wanted), wanted.rate, wanted.codec, wanted.quality)
            for sound in items
        ]

    def require_overlay(self, form: Form, wanted: ItemFormat, overlay: Overlay) -> None:
        """Nothing is drawn on a sound."""

    def has_metadata(self, codec: str) -> bool:
        return True

    def marked(self, file: bytes, codec: str, marks: Marks, item: ItemFacts) -> bytes:
        return marks.sound(file, item)

    def decode(self, file: bytes, form: Form, wanted: ItemFormat) -> npt.NDArray[np.int16]:
        samples, channels = self.delivered(form, wanted).shape
        return files.decode(file, cast("SoundFormat", wanted).rate, (samples, channels))

    def file_bytes(self, form: Form, values: float) -> int:
        share = _VORBIS_SHARE if form.codec == "ogg" else 1.0
        return max(_LEAST_FILE_BYTES, int(2 * values * share))

    def feature(self, form: Form, formats: Collection[ItemFormat]) -> Json:
        """Without a rate where sounds differ in it: it stands in each file."""
        rates = {cast("SoundFormat", wanted).rate for wanted in formats}
        return {"_type": "Audio", "sampling_rate": rates.pop() if len(rates) == 1 else None}

    def described(self, form: Form, *, by_briefs: bool = False) -> str:
        form = cast("SoundForm", form)
        channels = "mono" if form.channels == 1 else "stereo"
        length = f"{form.samples / form.made_rate:.3g} s"
        if by_briefs:
            return f"rate and codec; {length}, {channels}"
        return f"{length}, {form.rate:,} Hz, {channels}, {form.codec}"

    def degenerate(self, items: Items, limits: Mapping[str, Any]) -> dict[str, Mask]:
        """Without anything above the limit of silence, or with too many samples at full scale."""
        wide = items.astype(np.float64) / _FULL_SCALE
        peak = np.abs(wide - wide.mean(axis=1, keepdims=True)).max(axis=(1, 2))
        full = (items <= -_FULL_SCALE + 1) | (items >= _FULL_SCALE - 1)
        refused = (
            peak < 10 ** (limits["silence_db"] / 20),
            full.mean(axis=(1, 2)) > limits["max_clipped"],
        )
        return dict(zip(self.reasons, refused, strict=True))

    def look(self, item: Items, form: Form, most: int) -> UInt8Images:
        """The wave above the spectrogram."""
        from aigc.modalities.image import fit  # noqa: PLC0415

        drawn = sheet.cell(item)
        return fit(drawn, min(most, drawn.shape[0]), min(most, drawn.shape[1]))

    def shown_as(self, codec: str) -> str:
        return self.codecs[codec].media_type

    def shown(self, file: bytes, form: Form, wanted: ItemFormat) -> tuple[bytes, str]:
        return file, self.shown_as(wanted.codec)

    def element(self, file: bytes, form: Form, wanted: ItemFormat, title: str) -> str:
        """A player below the wave and the spectrogram."""
        from aigc.modalities.image import encode  # noqa: PLC0415

        drawn = encode(sheet.cell(self.decode(file, form, wanted))[None], "png")[0]
        name = html.escape(title)
        picture = f'<img class="sound" alt="wave and spectrogram of {name}" loading="lazy" '
        picture += f'src="{data_uri(drawn, "image/png")}">'
        source = data_uri(file, self.shown_as(wanted.codec))
        return (
            f'{picture}<audio controls preload="metadata" aria-label="{name}" src="{source}">'
            + ("</audio>")
        )

    def gap(self, made: Items, stored: Items) -> str:
        gap = np.abs(made.astype(np.int64) - stored)
        return f"in {np.mean(gap > 0):.1%} of its samples, by at most {gap.max()} of 32,768"


def _resampled_length(form: SoundForm, rate: int) -> int:
    """Samples of each channel at another rate."""
    return max(1, round(form.samples * rate / form.made_rate))


def _resampled(
    sound: npt.NDArray[np.int16], form: SoundForm, wanted: SoundFormat
) -> npt.NDArray[np.int16]:
    """int16 (T, C) at `wanted.rate`, by soxr's high quality; each sound by itself."""
    if wanted.rate == form.made_rate:
        return sound
    import soxr  # noqa: PLC0415

    made = soxr.resample(sound.astype(np.float64), form.made_rate, wanted.rate, quality="HQ")
    missing = max(0, wanted.samples - len(made))
    whole = np.pad(made[: wanted.samples], ((0, missing), (0, 0)))
    limited = np.rint(whole).clip(-_FULL_SCALE, _FULL_SCALE - 1)
    return np.ascontiguousarray(limited.astype(np.int16))
