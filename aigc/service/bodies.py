"""What a request may say. The fields are OpenAI's and ours; every other one is refused by name.

https://platform.openai.com/docs/api-reference/images
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aigc.service.errors import BadRequestError
from aigc.specs import Seed

Body = TypeVar("Body", bound=BaseModel)
Index = Annotated[int, Field(ge=0, lt=2**53)]
Truncation = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
LabelName = Annotated[str, Field(max_length=200)]
Size = Annotated[str, Field(pattern=r"^(auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, said: Any) -> Any:
        """As for OpenAI, whose optional fields may be null."""
        if not isinstance(said, dict) or None not in said.values():
            return said
        known = cls.model_fields
        return {
            name: value for name, value in said.items() if value is not None or name not in known
        }


class Asked(_Body):
    """What every request for pictures may say."""

    model: str | None = Field(None, max_length=200)
    """name, name@version or name@alias; may be left out where one model is offered."""
    n: int = Field(1, ge=1)
    """How many pictures."""
    size: Size = "auto"
    """WIDTHxHEIGHT, resampled from what the model makes; auto is the model's own."""
    response_format: Literal["b64_json", "url"] | None = None
    """b64_json unless said otherwise; url gives each picture's permanent address, which opens
    without a key for an hour (or what the service sets) where keys are asked for."""
    output_format: Literal["png", "jpeg", "webp"] = "png"
    output_compression: int = Field(90, ge=0, le=100)
    """Quality of jpeg and webp; webp at 100 is lossless."""
    user: str | None = Field(None, max_length=512)
    seed: Seed | None = None
    """Decides the pictures, with `index` and the label; drawn and told when left out."""
    index: Index = 0
    """Of the first picture among those of the seed; the others follow."""
    stream: bool | None = None
    """One server-sent event a picture."""
    quality: Any = Field(None, description="Taken and ignored.")
    background: Any = Field(None, description="Taken and ignored.")
    partial_images: Any = Field(None, description="Taken and ignored.")


class Generation(Asked):
    """POST /v1/images/generations."""

    prompt: str | None = Field(None, max_length=4000)
    """Names labels of the model, in any case, singular or plural. A model without labels makes
    what it makes, whatever the prompt."""
    labels: list[LabelName] | dict[LabelName, Share] | None = None
    """Labels in equal shares, or a share for each. Instead of a prompt."""
    truncation: Truncation | None = None
    """Latents are drawn from the normal cut at ± this value: less variety, fewer misses."""
    style: Any = Field(None, description="Taken and ignored.")
    moderation: Any = Field(None, description="Taken and ignored.")
    safety_identifier: Any = Field(None, description="Taken and ignored.")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.labels is not None and not 0 < len(self.labels) <= 1000:
            raise ValueError("labels: name between 1 and 1000")
        return self


class Variation(Asked):
    """The fields of POST /v1/images/variations beside the picture."""

    strength: float = Field(0.5, ge=0, le=1, allow_inf_nan=False)
    """How far from the picture: 0 is its reconstruction, 1 an unrelated picture."""
    label: str | None = Field(None, max_length=200)
    """What the picture shows; found by trying when left out."""


class Edit(Variation):
    """The fields of POST /v1/images/edits beside the picture."""

    strength: float = Field(0.0, ge=0, le=1, allow_inf_nan=False)
    """How far from the picture: 0 brings it as close as the model can, without its noise."""
    prompt: str | None = Field(None, max_length=4000)
    """Names the label to turn the picture into; none, or no label's name, leaves it what it is."""
    input_fidelity: Any = Field(None, description="Taken and ignored.")
    moderation: Any = Field(None, description="Taken and ignored.")


class Item(_Body):
    """One candidate."""

    label: str | None = Field(None, max_length=200)
    seed: Seed
    index: Index = 0


class Walk(_Body):
    """POST /v1/latents/walk: the frames between two items."""

    model: str | None = Field(None, max_length=200)
    start: Item = Field(alias="from")
    end: Item = Field(alias="to")
    steps: int = Field(9, ge=2)
    """Frames, both ends among them."""
    size: Size = "auto"
    output_format: Literal["png", "jpeg", "webp"] = "png"
    output_compression: int = Field(90, ge=0, le=100)
    truncation: Truncation | None = None


def parse_json(kind: type[Body], data: bytes) -> Body:
    """Raises BadRequestError that names the field."""
    try:
        return kind.model_validate_json(data, strict=True)
    except ValidationError as error:
        raise _complaint(error, kind) from None


def parse_form(kind: type[Body], fields: dict[str, Any]) -> Body:
    """Fields of a form, where everything is text. Raises BadRequestError that names the field."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise _complaint(error, kind) from None


def _complaint(error: ValidationError, kind: type[BaseModel]) -> BadRequestError:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        return BadRequestError(f"the body is no JSON: {first['msg']}", code="invalid_json")
    field = ".".join(str(part) for part in first["loc"][:2])
    if first["type"] == "extra_forbidden":
        known = ", ".join(sorted(_fields(kind, first["loc"][:-1])))
        return BadRequestError(
            f"{field}: unknown; the fields are {known}", param=field, code="unknown_parameter"
        )
    where = f"{field}: " if field else ""
    message = first["msg"].removeprefix("Value error, ")
    return BadRequestError(where + message, param=field or None, code="invalid_value")


def _fields(kind: type[BaseModel], where: Sequence[int | str]) -> list[str]:
    """Names, as requests say them, of the fields of the model at `where` within `kind`."""
    names = {field.alias or name: field for name, field in kind.model_fields.items()}
    inner = names[str(where[0])].annotation if where else None
    if inner is not None and isinstance(inner, type) and issubclass(inner, BaseModel):
        return _fields(inner, where[1:])
    return list(names)
