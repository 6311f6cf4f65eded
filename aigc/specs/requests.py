"""Fields of an image request, at the endpoint and in batch files: OpenAI's and additional ones.
Unknown fields are refused by name.

https://platform.openai.com/docs/api-reference/images
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from aigc.strict import Exact, Seed

Index = Annotated[int, Field(ge=0, lt=2**53)]
Truncation = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
LabelName = Annotated[str, Field(max_length=200)]
Size = Annotated[str, Field(pattern=r"^(auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})$")]


Labels = list[LabelName] | dict[LabelName, Share] | None


def _require_opaque(value: Any) -> Any:
    if value == "transparent":
        raise PydanticCustomError(
            "not_supported", "the models generate opaque images; leave the field out, or use opaque"
        )
    return value


Background = Annotated[Literal["auto", "opaque"], BeforeValidator(_require_opaque)]


class Body(Exact):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, said: Any) -> Any:
        """Treat null as absent, as OpenAI's API does."""
        if not isinstance(said, dict) or None not in said.values():
            return said
        known = cls.model_fields
        return {
            name: value for name, value in said.items() if value is not None or name not in known
        }


class FileOptions(Body):
    """Size and format of each image of a request."""

    size: Size = "auto"
    """WIDTHxHEIGHT in pixels, resampled from the model's size; auto is the model's size."""
    output_format: Literal["png", "jpeg", "webp"] = "png"
    output_compression: int = Field(90, ge=0, le=100)
    """Quality of jpeg and webp, 0 to 100; webp at 100 is lossless. Below 100 it is refused for png,
    which is lossless."""

    @property
    def compression(self) -> int | None:
        """The quality asked for, from 1 as codecs count; None if there is none."""
        if "output_compression" not in self.model_fields_set:
            return None
        return max(1, self.output_compression)


class RenderOptions(FileOptions):
    """Fields of every image request."""

    WITHOUT_EFFECT: ClassVar[tuple[str, ...]] = ("quality", "partial_images", "moderation")

    model: str | None = Field(None, max_length=200)
    """NAME, NAME@VERSION or NAME@ALIAS; optional if one model is served."""
    n: int = Field(1, ge=1)
    """Number of images; `limits.max_n` of /v1/models is the most."""
    response_format: Literal["b64_json", "url"] | None = None
    """Default: b64_json. url returns each image's permanent address. If keys are required, the
    address opens without a key for a limited time, one hour unless the operator changed it."""
    user: str | None = Field(None, max_length=512)
    """Identifier of your end user; no effect."""
    safety_identifier: str | None = Field(None, max_length=512)
    """Identifier of your end user; no effect."""
    seed: Seed | None = None
    """With `index` and the label, determines the images. Default: random, and returned."""
    index: Index = 0
    """Index of the first image within the seed; the other images have the next indices."""
    stream: bool | None = None
    """Send one server-sent event per image; not allowed in a batch file."""
    background: Background | None = None
    """Images are always opaque; transparent is refused."""
    quality: Literal["auto", "standard", "hd", "low", "medium", "high"] | None = None
    """No effect; listed under `ignored` in the response unless it is auto."""
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = None
    """No effect; listed under `ignored` in the response unless it is 0."""
    moderation: Literal["auto", "low"] | None = None
    """No effect; listed under `ignored` in the response unless it is auto."""

    @property
    def ignored(self) -> list[str]:
        """Names of given fields that have no effect."""
        said = ((name, getattr(self, name)) for name in self.WITHOUT_EFFECT)
        return [name for name, value in said if value not in (None, "auto", 0)]


class Generation(RenderOptions):
    """POST /v1/images/generations, and the body of a line of a batch file."""

    WITHOUT_EFFECT: ClassVar[tuple[str, ...]] = (*RenderOptions.WITHOUT_EFFECT, "style")

    prompt: str | None = Field(None, max_length=4000)
    """Text that names labels of the model, in any case, singular or plural. Default: every label. A
    model without labels ignores the prompt."""
    labels: Labels = None
    """Labels in equal shares, or a mapping of label to share; used instead of a prompt."""
    truncation: Truncation | None = None
    """Draw latents from the normal distribution truncated at ± this value: smaller means less
    variety and fewer outliers. Default: no truncation."""
    style: Literal["vivid", "natural"] | None = None
    """No effect; listed under `ignored` in the response."""

    @field_validator("labels")
    @classmethod
    def _bounded(cls, labels: Labels) -> Labels:
        if labels is not None and not 0 < len(labels) <= 1000:
            raise ValueError("name between 1 and 1000")
        return labels


class TwiceError(ValueError):
    """A name occurs twice where one value is expected."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name[:60]!r} occurs twice")
        self.name = name


def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs as a dict, which would keep the last of equal names. Raises TwiceError."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise TwiceError(next(name for name in found if names.count(name) > 1))
    return found


class Complaint(NamedTuple):
    message: str
    field: str | None
    code: str


def complaint(error: ValidationError, kind: type[BaseModel]) -> Complaint:
    """The first error of a body of the model `kind`, as a message for the API's user."""
    errors = error.errors(include_url=False, include_context=False)
    first = errors[0]
    if first["type"] == "json_invalid":
        return Complaint(f"the body is not JSON: {first['msg']}", None, "invalid_json")
    field = ".".join(part for part in map(str, first["loc"][:2]) if "[" not in part)
    if first["type"] == "extra_forbidden":
        known = _fields(kind, first["loc"][:-1])
        unknown = [str(found["loc"][-1]) for found in errors if found["type"] == first["type"]]
        names = ", ".join([field, *unknown[1:10]])
        message = f"{names}: unknown; {_meant(unknown[0], known)}the fields are "
        message += ", ".join(sorted(known))
        return Complaint(message, field, "unknown_parameter")
    where = f"{field}{_shown(first['input'])}: " if field else ""
    message = where + first["msg"].removeprefix("Value error, ")
    code = "not_supported" if first["type"] == "not_supported" else "invalid_value"
    return Complaint(message, field or None, code)


def _meant(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return f"did you mean {close[0]}? " if close else ""


def _shown(value: Any) -> str:
    """` = VALUE` for a short value, else an empty string."""
    text = repr(value) if isinstance(value, str | int | float) else ""
    return f" = {text}" if 0 < len(text) <= 60 else ""


def _fields(kind: type[BaseModel], where: Sequence[int | str]) -> list[str]:
    """Field names, as requests spell them, of the model at `where` within `kind`."""
    names = {field.alias or name: field for name, field in kind.model_fields.items()}
    inner = names[str(where[0])].annotation if where else None
    if inner is not None and isinstance(inner, type) and issubclass(inner, BaseModel):
        return _fields(inner, where[1:])
    return list(names)
