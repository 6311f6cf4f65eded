"""What every spec is made of: strict, frozen, and where work runs."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from aigc.errors import StorageError
from aigc.types import MAX_ITEMS

Codec = Literal["png", "jpeg", "webp", "raw"]
Fit = Literal["crop", "pad", "stretch"]
"""How other aspect ratios become a model's."""
Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Items = Annotated[int, Field(ge=1, lt=MAX_ITEMS)]
_SILENCE_S = 1800.0
_LEAST_PART = 0.01


def _require_place(uri: str) -> str:
    from aigc import storage  # noqa: PLC0415

    try:
        storage.absolute(uri).encode()
    except StorageError as error:
        raise ValueError(str(error).removeprefix(f"{uri!r}: ")) from None
    except UnicodeEncodeError:
        raise ValueError("the path is not UTF-8; rename it, or link to it") from None
    return uri


Location = Annotated[str, AfterValidator(_require_place)]
"""A path or an s3:// URI."""


class Exact(BaseModel):
    """Takes no yes and no for numbers, which would be 1 and 0."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_booleans(cls, value: Any, info: ValidationInfo) -> Any:
        texts = _numeric(cls).get(info.field_name or "")
        if texts is not None and _has_boolean(value, texts):
            raise PydanticCustomError("boolean", "expected a number, not true or false")
        return value


@functools.cache
def _numeric(model: type[BaseModel]) -> dict[str, bool]:
    """The fields that hold numbers and nothing that may be true or false, and whether they may also
    hold texts."""
    kinds = {name: _inside(field.annotation) for name, field in model.model_fields.items()}
    return {
        name: str in found
        for name, found in kinds.items()
        if found & {int, float} and bool not in found
    }


def _inside(annotation: Any) -> set[Any]:
    """The types named in an annotation, a literal's by its values."""
    parts = get_args(annotation)
    if not parts:
        return {annotation if isinstance(annotation, type) else type(annotation)}
    return set().union(*map(_inside, parts))


def _has_boolean(value: Any, texts: bool) -> bool:
    """Whether it is one or holds one where a number belongs; in a list that may be of `texts` it
    stands for a text."""
    inner = [value]
    if isinstance(value, dict):
        inner = list(value.values())
    elif isinstance(value, list | tuple):
        inner = [] if texts else list(value)
    return any(isinstance(one, bool) for one in inner)


class Spec(Exact):
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )


class Placement(Spec):
    """Where work runs. Nothing here changes a result, only how soon it comes."""

    workers: int | None = Field(None, ge=1)
    """Worker processes; none means as many as the cluster has room for."""
    max_workers: int | None = Field(None, ge=1)
    """Ask the cluster for up to so many, beyond what has room now; an autoscaler adds nodes."""
    cpus_per_worker: float = Field(1, ge=_LEAST_PART)
    gpus_per_worker: float | None = Field(None, ge=0)
    """None means one when the cluster has GPUs, else zero."""
    timeout_s: float | None = Field(None, gt=0)
    """The longest one unit of work (a shard, a chunk of files) may take before it is retried. None
    means 1800 where nothing is heard of a unit until it ends; a shard tells of each batch, so
    `batch_timeout_s` is enough for it."""
    batch_timeout_s: float = Field(300, gt=0)
    """The longest a worker may go without finishing a batch before it is replaced."""
    max_retries: int = Field(3, ge=0)
    """How often one unit of work may fail before it is given up; the rest goes on."""
    wait_s: float = Field(600, ge=0)
    """How long to wait for a worker when the cluster is busy, or its autoscaler has yet to add a
    node."""

    @property
    def silence_s(self) -> float:
        """How long to wait for work that says nothing until it ends."""
        return self.timeout_s or _SILENCE_S

    @field_validator("gpus_per_worker")
    @classmethod
    def _none_or_a_part(cls, gpus: float | None) -> float | None:
        if gpus and gpus < _LEAST_PART:
            raise ValueError(f"input should be 0, or {_LEAST_PART:g} or more")
        return gpus

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_workers is not None and self.max_workers < (self.workers or 1):
            raise ValueError(
                f"max_workers {self.max_workers} is below workers {self.workers}; raise it"
            )
        return self
