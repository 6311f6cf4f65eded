"""A kind of content that exists in tests only: integers as text files. One module, one entry.

The family `dice` makes them; workers import this module when they are sent a job that has its form.
"""

from __future__ import annotations

import contextlib
import html
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from aigc.conditions import Conditions
from aigc.families import FAMILIES
from aigc.families.config import ModelConfig
from aigc.families.noise import Noise
from aigc.families.protocol import Family, InferenceConfig, ModelSpec, Tensors
from aigc.modalities import MODALITIES, Modality
from aigc.modalities.base import RejectError
from aigc.modalities.delivery import (
    CODEC,
    BriefColumn,
    FileKind,
    Form,
    ItemFormat,
    Mask,
    built_form,
    require_codec,
)
from aigc.modalities.item import Items, ItemType
from aigc.modalities.learning import Extractor, Representation, Sizes, Weights
from aigc.modalities.prepare_spec import PrepareSpec
from aigc.provenance.marker import Marks
from aigc.provenance.overlay import Overlay
from aigc.provenance.statement import ItemFacts
from aigc.strict import Spec
from aigc.types import Json, Labels, UInt8Images

_HIGHEST = 1000


class NumberForm(Form):
    codec: Literal["txt", "csv"] = "txt"
    columns: int
    digits: int = Field(3, ge=1, le=9)


class NumberFormat(Spec):
    codec: str
    columns: int
    digits: int

    @property
    def weight(self) -> float:
        return 1.0


class NumberDelivery:
    folder = "numbers"
    column = "numbers"
    raw_column: str | None = None
    codecs: Mapping[str, FileKind] = {
        "txt": FileKind(".txt", "text/plain"),
        "csv": FileKind(".csv", "text/csv"),
    }
    form: type[Form] = NumberForm
    columns: tuple[BriefColumn, ...] = (BriefColumn("digits", 1, 9), CODEC)
    side_columns: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ("small",)
    limits: tuple[str, ...] = ("min_std",)
    cell_px = 100
    probe = ItemType((3,), "int64")
    draws = False

    def items(self, output: Tensor) -> Tensor:
        return output.mul(_HIGHEST).round().to(torch.int64)

    def form_of(self, item: ItemType, asked: Mapping[str, Any]) -> Form:
        require_codec(self.codecs, asked.get("codec", "txt"), "numbers")
        own = {"columns": item.shape[0]}
        return built_form(NumberForm, "numbers", own, asked, "codec")

    def format_of(self, form: Form, said: Mapping[str, Any] | None = None) -> NumberFormat:
        return NumberFormat.model_validate(form.model_dump() | dict(said or {}))

    def delivered(self, form: Form, wanted: ItemFormat) -> ItemType:
        return ItemType((form.columns,), "int64")  # type: ignore[attr-defined]

    def encode(
        self, items: Items, form: Form, wanted: ItemFormat, overlay: Overlay | None = None
    ) -> list[bytes]:
        assert isinstance(wanted, NumberFormat)
        sign = " " if wanted.codec == "txt" else ","
        rows = [sign.join(f"{value:0{wanted.digits}d}" for value in row) for row in items.tolist()]
        return [f"{row}\n".encode() for row in rows]

    def require_overlay(self, form: Form, wanted: ItemFormat, overlay: Overlay) -> None:
        pass

    def has_metadata(self, codec: str) -> bool:
        return False

    def marked(self, file: bytes, codec: str, marks: Marks, item: ItemFacts) -> bytes:
        return file

    def decode(self, file: bytes, form: Form, wanted: ItemFormat) -> Items:
        try:
            values = [int(text) for text in file.decode().replace(",", " ").split()]
        except UnicodeDecodeError as error:
            raise ValueError(f"not text: {error}") from None
        return np.array(values, np.int64)

    def file_bytes(self, form: Form, values: float) -> int:
        return int(4 * values)

    def feature(self, form: Form, formats: Collection[ItemFormat]) -> Json:
        kinds = {"bytes": "binary", "path": "string"}
        return {name: {"dtype": kind, "_type": "Value"} for name, kind in kinds.items()}

    def described(self, form: Form, *, by_briefs: bool = False) -> str:
        return f"{self.delivered(form, self.format_of(form)).shape[0]} numbers, {form.codec}"

    def degenerate(self, items: Items, limits: Mapping[str, Any]) -> dict[str, Mask]:
        return {"small": np.asarray(items.std(axis=1) < limits["min_std"])}

    def look(self, item: Items, form: Form, most: int) -> UInt8Images:
        """A column a number, as high as it is large."""
        height = min(16, most)
        levels = np.abs(item) * height // (_HIGHEST + 1)
        bars = np.arange(height)[::-1, None] < levels[None, :]
        return np.where(bars, 0, 255).astype(np.uint8)[:, :most, None]

    def shown_as(self, codec: str) -> str:
        return self.codecs[codec].media_type

    def shown(self, file: bytes, form: Form, wanted: ItemFormat) -> tuple[bytes, str]:
        return file, self.shown_as(wanted.codec)

    def element(self, file: bytes, form: Form, wanted: ItemFormat, title: str) -> str:
        return f"<pre title='{html.escape(title)}'>{html.escape(file.decode())}</pre>"

    def gap(self, made: Items, stored: Items) -> str:
        return f"by at most {np.abs(made - stored).max()}"


class PrepareNumbers(PrepareSpec):
    column_field: ClassVar[str] = "number_column"

    modality: Literal["number"] = "number"
    numbers: int = 4
    number_column: str = "numbers"


class NumberSource:
    spec = PrepareNumbers
    noun = "number"
    column = "numbers"
    suffix = ".txt"
    compresses = True
    suffixes = frozenset((".num",))
    blank = 0
    values = "training numbers (0..1)"
    full_scale = 1000.0

    def require(self) -> None:
        pass

    def quiet(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def item(self, spec: PrepareNumbers) -> ItemType:
        return ItemType((spec.numbers,), "int64")

    def identity(self, spec: PrepareNumbers) -> tuple[object, ...]:
        return "number", spec.numbers

    def describe(self, spec: PrepareNumbers) -> Json:
        return {"channels": spec.numbers}

    def feature(self, item: ItemType) -> Json:
        return {"bytes": {"dtype": "binary", "_type": "Value"}}

    def most_file_bytes(self, spec: PrepareNumbers) -> int:
        return 1000

    def read(self, data: bytes, spec: PrepareNumbers) -> Items:
        try:
            values = np.array([int(text) for text in data.split()], np.int64)
        except ValueError as error:
            raise RejectError(f"not numbers: {error}") from None
        if len(values) != spec.numbers:
            raise RejectError(f"{len(values)} numbers, expected {spec.numbers}")
        return values

    def encode(self, items: Items, item: ItemType) -> list[bytes]:
        return [" ".join(map(str, row)).encode() for row in items.tolist()]

    def decode(self, data: bytes, item: ItemType) -> Items:
        return np.array([int(text) for text in data.split()], np.int64).reshape(item.shape)

    def plane(self, items: Items) -> npt.NDArray[np.float64]:
        """Each number as a block of grey."""
        grey = np.abs(items).clip(0, _HIGHEST) * 255.0 / _HIGHEST
        return np.repeat(grey[:, None, :], 32, axis=1).repeat(32 // items.shape[1], axis=2)

    def compared(self, items: Items) -> Items:
        return items

    def distance(self, left: Items, right: Items) -> npt.NDArray[np.float64]:
        gap = np.square((left - right) * 255.0 / _HIGHEST).mean(axis=1)
        return np.asarray(np.sqrt(gap))

    def sheet(self, items: Items, columns: int, captions: Sequence[str] | None) -> bytes:
        from aigc.modalities.image import contact_sheet

        planes = self.plane(items).astype(np.uint8)[..., None]
        return contact_sheet(planes, columns, captions)

    def in_words(self, item: ItemType) -> str:
        return f"{item.shape[0]} numbers"

    def steps(self, spec: PrepareNumbers) -> str:
        return "stored as text"

    def changes(self) -> str:
        return "Spaces were made equal."


class NumberSizes(Sizes):
    channels: int = Field(ge=1, le=32)

    @property
    def item(self) -> ItemType:
        return ItemType((self.channels,), "int64")

    @classmethod
    def of(cls, item: ItemType) -> NumberSizes:
        (channels,) = item.shape
        return cls(channels=channels)


class NumberLearning:
    """Nothing learns from numbers here."""

    sizes = NumberSizes
    augmentations: tuple[str, ...] = ()
    mirrors = False
    picture = "bars"
    level = "step"
    task = "other"
    learns = False

    def usual_augmentations(self, channels: int) -> tuple[str, ...]:
        return ()

    def tensors(self, items: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(items).float() / _HIGHEST

    def representation(self, item: ItemType) -> Representation:
        raise NotImplementedError

    def shown(self, pictures: Tensor) -> UInt8Images:
        raise NotImplementedError

    def drawn(self, items: npt.NDArray[Any], item: ItemType) -> UInt8Images:
        raise NotImplementedError

    def learnt(
        self, items: npt.NDArray[Any], labels: Labels, classes: int, item: ItemType
    ) -> Weights:
        raise NotImplementedError

    def extractor(self, weights: Weights, item: ItemType, device: str | None = None) -> Extractor:
        raise NotImplementedError

    def unlike(self, made: ItemType, stored: ItemType) -> tuple[str, str, str] | None:
        return None

    def inception(self, path: str) -> Extractor:
        raise NotImplementedError


MODALITIES["number"] = Modality("numbers", NumberDelivery(), NumberSource(), NumberLearning())


class DiceModel(ModelSpec):
    family: Literal["dice"] = "dice"


class Dice:
    """Noise, higher for the second label."""

    takes = ("label",)
    size_bytes = 4

    def __init__(self, config: ModelConfig, tensors: Tensors) -> None:
        self.item, self.config = config.item, config
        self.factor = tensors["factor"]

    def __call__(self, noise: Noise, given: Conditions) -> Tensor:
        base = noise.uniform(self.item.shape, stream=1).float() * self.factor
        return base + given["label"][:, None].float() / 2


def load(config: ModelConfig, tensors: Tensors, inference: InferenceConfig) -> Dice:
    return Dice(config, tensors)


FAMILIES["dice"] = Family(
    spec=DiceModel, title="Dice", takes=lambda config: ("label",), load=load, sampling=Spec
)


def publish(store: Any) -> Any:
    config = ModelConfig(
        modality="number", architecture=DiceModel(), channels=4, labels=("low", "high")
    )
    return store.publish("dice", config, {"factor": torch.tensor(0.5)})
