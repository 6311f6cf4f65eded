"""Finished images as files, and as what people look at."""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt
from pydantic import Field

from aigc.errors import SpecError
from aigc.modalities.base import Items, ItemType
from aigc.modalities.delivery import (
    CODEC,
    QUALITY,
    RAW,
    BriefColumn,
    FileKind,
    Form,
    ItemFormat,
    Mask,
    built_form,
    data_uri,
    require_codec,
)
from aigc.modalities.image import (
    MIME,
    SUFFIX,
    Resampling,
    decode,
    decode_raw,
    encode,
    fit,
    recolour,
    resample,
    to_levels,
    visible,
)
from aigc.provenance.marker import Marks
from aigc.provenance.overlay import Overlay
from aigc.provenance.statement import ItemFacts
from aigc.strict import Codec
from aigc.types import Json, UInt8Images

if TYPE_CHECKING:
    from torch import Tensor

_SIDE = 8192
_TITLE = "images"
_ASKED = "codec quality width height colour resampling"
_LEAST_FILE_BYTES = 256
_LOSSY = ("jpeg", "webp")
_CHANNELS = {"grey": 1, "rgb": 3}


@dataclass(frozen=True)
class Format:
    """How one image is delivered."""

    width: int
    height: int
    codec: Codec = "png"
    quality: int = 90

    @property
    def weight(self) -> float:
        """Resampling and encoding go by the pixel."""
        return max(1.0, self.width * self.height / 2**14)


class ImageForm(Form):
    """How the images of a job are delivered."""

    codec: Codec = "png"
    quality: int = Field(90, ge=1, le=100)
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    channels: Literal[1, 3]
    resampling: Resampling = "lanczos"


class ImageDelivery:
    """Images are uint8 (H, W, C)."""

    folder = "images"
    column = "image"
    raw_column: str | None = "pixels"
    codecs: Mapping[str, FileKind] = {
        codec: FileKind(SUFFIX[codec], media_type, codec in _LOSSY)
        for codec, media_type in MIME.items()
    }
    form: type[Form] = ImageForm
    columns: tuple[BriefColumn, ...] = (
        BriefColumn("width", 1, _SIDE),
        BriefColumn("height", 1, _SIDE),
        CODEC,
        QUALITY,
    )
    side_columns: tuple[str, ...] = ("height", "width")
    reasons: tuple[str, ...] = ("blank", "saturated")
    limits: tuple[str, ...] = ("min_std", "max_saturated")
    cell_px = 84
    probe = ItemType((8, 8, 3), "uint8")
    draws = True

    def items(self, output: Tensor) -> Tensor:
        """float (N, C, H, W) in [-1, 1] to uint8 (N, H, W, C)."""
        return to_levels(output)

    def form_of(self, item: ItemType, asked: Mapping[str, Any]) -> ImageForm:
        height, width, channels = item.shape
        colour = asked.get("colour")
        if colour not in (None, *_CHANNELS):
            raise SpecError(f"colour = {colour}: expected one of {', '.join(_CHANNELS)}")
        own = {"height": height, "width": width, "channels": _CHANNELS.get(colour or "", channels)}
        require_codec(self.codecs, asked.get("codec", "png"), _TITLE)
        rest = {name: value for name, value in asked.items() if name != "colour"}
        return cast("ImageForm", built_form(ImageForm, _TITLE, own, rest, _ASKED))

    def format_of(self, form: Form, said: Mapping[str, Any] | None = None) -> Format:
        form = cast("ImageForm", form)
        return Format(
            **{"width": form.width, "height": form.height, "codec": form.codec}
            | {"quality": form.quality}
            | dict(said or {})
        )

    def delivered(self, form: Form, wanted: ItemFormat) -> ItemType:
        form, wanted = cast("ImageForm", form), cast("Format", wanted)
        return ItemType((wanted.height, wanted.width, form.channels), "uint8")

    def encode(
        self, items: Items, form: Form, wanted: ItemFormat, overlay: Overlay | None = None
    ) -> list[bytes]:
        form, wanted = cast("ImageForm", form), cast("Format", wanted)
        coloured = recolour(items, "grey" if form.channels == 1 else "rgb")
        shaped = resample(coloured, wanted.height, wanted.width, form.resampling)
        return encode(_overlaid(shaped, overlay), wanted.codec, wanted.quality)

    def require_overlay(self, form: Form, wanted: ItemFormat, overlay: Overlay) -> None:
        wanted, wording = cast("Format", wanted), overlay.wording
        if wording is not None:
            visible.stencil_for(wording.text, wording.height, wanted.height, wanted.width)
        if overlay.watermark is not None:
            overlay.watermark.require_room(wanted.height, wanted.width)

    def has_metadata(self, codec: str) -> bool:
        return codec != RAW

    def marked(self, file: bytes, codec: str, marks: Marks, item: ItemFacts) -> bytes:
        return file if codec == RAW else marks.picture(file, item)

    def decode(self, file: bytes, form: Form, wanted: ItemFormat) -> npt.NDArray[np.uint8]:
        form, wanted = cast("ImageForm", form), cast("Format", wanted)
        if wanted.codec == RAW:
            return decode_raw(file, (wanted.height, wanted.width, form.channels))
        return decode(file, form.channels)

    def file_bytes(self, form: Form, values: float) -> int:
        return max(_LEAST_FILE_BYTES, int(values * 3 / 4))

    def feature(self, form: Form, formats: Collection[ItemFormat]) -> Json:
        return {"_type": "Image"}

    def described(self, form: Form, *, by_briefs: bool = False) -> str:
        form = cast("ImageForm", form)
        if by_briefs:
            return f"size and codec; {_colour(form)}"
        return f"{form.width}×{form.height}, {_colour(form)}, {form.codec}"

    def degenerate(self, items: Items, limits: Mapping[str, Any]) -> dict[str, Mask]:
        """One flat tone, or burnt out."""
        refused = (
            _variance(items) < limits["min_std"] ** 2,
            _saturated(items) > limits["max_saturated"],
        )
        return dict(zip(self.reasons, refused, strict=True))

    def look(self, item: Items, form: Form, most: int) -> UInt8Images:
        return fit(item, min(most, item.shape[0]), min(most, item.shape[1]))

    def shown_as(self, codec: str) -> str:
        return MIME["png" if codec == RAW else codec]

    def shown(self, file: bytes, form: Form, wanted: ItemFormat) -> tuple[bytes, str]:
        """Raw values as PNG."""
        media_type = self.shown_as(wanted.codec)
        if wanted.codec == RAW:
            return encode(self.decode(file, form, wanted)[None], "png")[0], media_type
        return file, media_type

    def element(self, file: bytes, form: Form, wanted: ItemFormat, title: str) -> str:
        data, media_type = self.shown(file, form, wanted)
        source = data_uri(data, media_type)
        return f'<img alt="{html.escape(title)}" loading="lazy" src="{source}">'

    def gap(self, made: Items, stored: Items) -> str:
        gap = np.abs(made.astype(np.int64) - stored)
        return f"in {np.mean(gap > 0):.1%} of its values, by at most {gap.max()} grey levels of 255"


def _overlaid(pixels: UInt8Images, overlay: Overlay | None) -> UInt8Images:
    """The label first: the watermark lies in what is seen."""
    if overlay is None:
        return pixels
    drawn = pixels if overlay.wording is None else visible.draw(pixels, overlay.wording)
    return overlay.watermark.embed(drawn, overlay.payloads) if overlay.watermark else drawn


def _colour(form: ImageForm) -> str:
    return "grey" if form.channels == 1 else "RGB"


def _variance(pixels: UInt8Images) -> npt.NDArray[np.float64]:
    """Of each image's grey levels, from sums that are exact."""
    count, _, _, channels = pixels.shape
    sums = pixels.sum(axis=-1, dtype=np.int64).reshape(count, -1)
    squares = np.einsum("ij,ij->i", sums, sums)
    levels, size = sums.sum(axis=1), sums.shape[1]
    variance: npt.NDArray[np.float64] = (size * squares - levels**2) / (size * channels) ** 2
    return variance


def _saturated(pixels: UInt8Images) -> npt.NDArray[np.float64]:
    """Share of each image's values that are 0 or 255."""
    flat = pixels.reshape(len(pixels), -1)
    extreme = np.count_nonzero((flat == 0) | (flat == 255), axis=1)
    share: npt.NDArray[np.float64] = extreme / flat.shape[1]
    return share
