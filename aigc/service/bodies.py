"""Bodies of requests in JSON and form encoding, with and without an upload."""

from __future__ import annotations

import codecs
import json
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from aigc.service.errors import BadRequestError
from aigc.specs import Seed
from aigc.specs.requests import (
    Body,
    FileOptions,
    Index,
    RenderOptions,
    Truncation,
    TwiceError,
    complaint,
    once,
)

B = TypeVar("B", bound=BaseModel)
_ONCE = json.JSONDecoder(object_pairs_hook=once)
"""Raises TwiceError for a name that occurs twice."""


class Variation(RenderOptions):
    """The fields of POST /v1/images/variations, without the image."""

    strength: float = Field(0.5, ge=0, le=1, allow_inf_nan=False)
    """Distance from the uploaded image: 0 is its reconstruction, 1 an unrelated image."""
    label: str | None = Field(None, max_length=200)
    """Label of the uploaded image. Default: detected by trying all labels."""


class Edit(Variation):
    """The fields of POST /v1/images/edits, without the image."""

    WITHOUT_EFFECT: ClassVar[tuple[str, ...]] = (*RenderOptions.WITHOUT_EFFECT, "input_fidelity")

    strength: float = Field(0.0, ge=0, le=1, allow_inf_nan=False)
    """Distance from the uploaded image: 0 is its reconstruction, 1 an unrelated image."""
    prompt: str | None = Field(None, max_length=4000)
    """Text that names the label to change the image to. Default: the label stays."""
    input_fidelity: Literal["high", "low"] | None = None
    """No effect; listed under `ignored` in the response."""


class WalkEnd(Body):
    """An item: its label, seed and index."""

    label: str | None = Field(None, max_length=200)
    seed: Seed
    index: Index = 0


class Walk(FileOptions):
    """POST /v1/latents/walk: the frames between two items."""

    model: str | None = Field(None, max_length=200)
    start: WalkEnd = Field(alias="from")
    end: WalkEnd = Field(alias="to")
    steps: int = Field(9, ge=2)
    """Number of frames, including both ends."""
    truncation: Truncation | None = None


def parse_json(kind: type[B], data: bytes) -> B:
    """Raises BadRequestError that names the field."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise BadRequestError(
            "the body is encoded in UTF-16; send it in UTF-8", code="invalid_json"
        )
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        found = kind.model_validate_json(data, strict=True)
        _ONCE.decode(data.decode())
    except ValidationError as error:
        raise _refusal(error, kind) from None
    except TwiceError as error:
        raise _twice(error) from None
    return found


def parse_form(kind: type[B], fields: dict[str, Any]) -> B:
    """Fields of a form, where everything is text. Raises BadRequestError that names the field."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise _refusal(error, kind) from None


def single(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Fields of a form or a query by name. Raises BadRequestError for one that is there twice."""
    try:
        return once(pairs)
    except TwiceError as error:
        raise _twice(error) from None


def _twice(error: TwiceError) -> BadRequestError:
    name = error.name[:60]
    return BadRequestError(f"{name}: occurs twice; send it once", param=name, code="invalid_value")


def _refusal(error: ValidationError, kind: type[BaseModel]) -> BadRequestError:
    found = complaint(error, kind)
    return BadRequestError(found.message, param=found.field, code=found.code)
