"""What making files of items asks of a modality."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from aigc.errors import SpecError
from aigc.modalities.item import Items, ItemType
from aigc.provenance.marker import Marks
from aigc.provenance.overlay import Overlay
from aigc.provenance.statement import ItemFacts
from aigc.strict import Spec
from aigc.types import Json, UInt8Images

if TYPE_CHECKING:
    from torch import Tensor

Mask: TypeAlias = npt.NDArray[np.bool_]

RAW = "raw"
"""The codec of a modality that writes an item's values themselves, row by row."""


@dataclass(frozen=True)
class FileKind:
    """What a codec writes: the end of the file's name, with the dot, and its media type."""

    suffix: str
    media_type: str
    lossy: bool = False
    """Whether `quality` has an effect on it."""


@dataclass(frozen=True)
class BriefColumn:
    """A field of an item's format that a brief can set: a whole number, or the codec.

    `kept` columns stand in the set as well.
    """

    name: str
    least: int = 0
    most: int = 2**31 - 1
    kept: bool = True


CODEC = BriefColumn("codec")
"""A brief's codec, one of `Delivery.codecs`."""
QUALITY = BriefColumn("quality", 1, 100, kept=False)
"""Of the lossy ones among them."""


class ItemFormat(Protocol):
    """How one item is delivered. A value: hashable, and equal if it says the same."""

    @property
    def codec(self) -> str: ...

    @property
    def weight(self) -> float:
        """The work of one item, 1 for small ones."""


class Form(Spec):
    """How the items of one job are delivered; its fields stand in `_job.json`."""

    codec: str


class Delivery(Protocol):
    """How finished items become files, and how people look at them.

    A `form` below is always one that `form_of` made, and a `wanted` one of `format_of`.
    """

    folder: str
    """Where the writer `files` puts the items of a set: `images`."""
    column: str
    """The column of files, struct<bytes, path>."""
    raw_column: str | None
    """The column of raw values, if there is a codec `raw`."""
    codecs: Mapping[str, FileKind]
    """The first one is what is written when none is named."""
    form: type[Form]
    columns: tuple[BriefColumn, ...]
    """What a brief can set of a format, in the order of the table of briefs."""
    side_columns: tuple[str, ...]
    """Of raw values whose shapes differ: the columns that hold the first sizes of the shape."""

    def items(self, output: Tensor) -> Tensor:
        """Network output float (N, …) to items (N, *shape), where `output` is; values out of range
        are clipped."""

    def form_of(self, item: ItemType, asked: Mapping[str, Any]) -> Form:
        """The form of a job whose model makes `item`, with the fields that were `asked` for.

        Raises:
            SpecError: names the field that is unknown, or its value and what would be right.
        """

    def format_of(self, form: Form, said: Mapping[str, Any] | None = None) -> ItemFormat:
        """The format of an item of `form`; `said` are the values of a brief, by column."""

    def delivered(self, form: Form, wanted: ItemFormat) -> ItemType:
        """An item as it is delivered."""

    def encode(
        self, items: Items, form: Form, wanted: ItemFormat, overlay: Overlay | None = None
    ) -> list[bytes]:
        """(N, *shape) as the model makes them, brought into shape, as files; where the modality
        `draws`, with the label and the watermark of an `overlay` that `require_overlay` let pass.
        The same items give the same bytes."""

    draws: bool
    """Whether a visible label can be drawn on an item, and a watermark put into it."""

    def require_overlay(self, form: Form, wanted: ItemFormat, overlay: Overlay) -> None:
        """Raises SpecError when there is no room for `overlay` on an item; called where `draws`."""

    def has_metadata(self, codec: str) -> bool:
        """Whether files of `codec` have a place for what is stated of an item."""

    def marked(self, file: bytes, codec: str, marks: Marks, item: ItemFacts) -> bytes:
        """One encoded file with metadata, where its codec has a place for them."""

    def decode(self, file: bytes, form: Form, wanted: ItemFormat) -> Items:
        """One of our own files as an item (*shape). Raises ValueError when it is damaged."""

    def file_bytes(self, form: Form, values: float) -> int:
        """The size to be expected of a file of an item of so many values."""

    def feature(self, form: Form, formats: Collection[ItemFormat]) -> Json:
        """The Hugging Face feature of `column`."""

    def described(self, form: Form, *, by_briefs: bool = False) -> str:
        """The form in a few words, `28×28, grey, png`; or what briefs say of it, and what all items
        share: `size and codec; grey`."""

    reasons: tuple[str, ...]
    """Why `degenerate` may refuse an item."""
    limits: tuple[str, ...]
    """The fields of `DegenerateGate` that it looks at."""
    cell_px: int
    """Least width of an item on a page."""
    probe: ItemType
    """A small item to try the codecs with."""

    def degenerate(self, items: Items, limits: Mapping[str, Any]) -> dict[str, Mask]:
        """Reason to the items (N, *shape) it refuses, bool (N,): those that hold nothing.
        `limits` are those fields of `DegenerateGate`."""

    def look(self, item: Items, form: Form, most: int) -> UInt8Images:
        """One item as a picture, uint8 (h, w, C), at most `most` pixels a side; C is the same for
        all items of `form`."""

    def shown_as(self, codec: str) -> str:
        """The media type in which browsers are given items of `codec`."""

    def shown(self, file: bytes, form: Form, wanted: ItemFormat) -> tuple[bytes, str]:
        """A file that browsers show or play, and its media type."""

    def element(self, file: bytes, form: Form, wanted: ItemFormat, title: str) -> str:
        """HTML that shows or plays one item, with the file in it."""

    def gap(self, made: Items, stored: Items) -> str:
        """By how much two items of the same shape differ, for people."""


def data_uri(data: bytes, media_type: str) -> str:
    """A file inside an address, for pages of one file."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def built_form(
    kind: type[Form], title: str, own: Mapping[str, Any], asked: Mapping[str, Any], names: str
) -> Form:
    """A form of the fields `own`, which follow from the model, and those `asked` for, which are
    among `names` (divided by spaces).

    Raises:
        SpecError: a field that the modality does not have, or a value that it does not take.
    """
    known = names.split()
    for name, value in asked.items():
        if name not in known:
            raise SpecError(
                f"{name} = {value}: {title} have no {name}; set one of {', '.join(known)}"
            )
    try:
        return kind.model_validate({**own, **asked})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field, message = ".".join(map(str, first["loc"])), first["msg"]
        raise SpecError(
            f"{field} = {first['input']!r}: {message[:1].lower()}{message[1:]}"
        ) from None


def require_codec(codecs: Mapping[str, FileKind], codec: str, title: str) -> None:
    """Raises SpecError when `codec` is not one of `codecs`."""
    if codec not in codecs:
        raise SpecError(f"codec = {codec!r}: {title} are written as {', '.join(codecs)}")


def quality_refusal(codecs: Mapping[str, FileKind], codec: str, quality: int) -> str:
    """Why a request for `quality` (1..100) with `codec` is refused: it has no effect on a lossless
    one of `codecs`. "" if it is not; 100 asks for no loss."""
    if codecs[codec].lossy or quality == 100:
        return ""
    lossy = [name for name, kind in codecs.items() if kind.lossy]
    return f"has no effect on codec {codec}; leave it out, or use {' or '.join(lossy)}"
