"""Base classes and field types of all specs: strict, frozen, and `Placement`."""

from __future__ import annotations

import contextlib
import functools
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
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
"""How an image of another aspect ratio is fitted to a model's size."""
Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Items = Annotated[int, Field(ge=1, lt=MAX_ITEMS)]
_UNIT_TIMEOUT_S = 1800.0
_MIN_FRACTION = 0.01


def _require_location(uri: str) -> str:
    from aigc import storage  # noqa: PLC0415

    try:
        storage.absolute(uri).encode()
    except StorageError as error:
        raise ValueError(str(error).removeprefix(f"{uri!r}: ")) from None
    except UnicodeEncodeError:
        raise ValueError("the path is not UTF-8; rename it, or link to it") from None
    return uri


WHITE = "#ffffff"


def opaque_colour(value: Any) -> str:
    """`value`, a CSS name, #rgb, #rrggbb or rgb(r, g, b), as #rrggbb. Raises ValueError where it
    is not an opaque colour."""
    from PIL import ImageColor  # noqa: PLC0415

    channels: tuple[int, ...] = ()
    with contextlib.suppress(ValueError):
        channels = ImageColor.getrgb(value) if isinstance(value, str) else ()
    if len(channels) != 3:
        raise ValueError("expected an opaque colour such as white or '#f4efe6', in quotes")
    return "#{:02x}{:02x}{:02x}".format(*channels)


Colour = Annotated[str, BeforeValidator(opaque_colour)]
"""A CSS name or #rrggbb, kept as #rrggbb."""
Location = Annotated[str, AfterValidator(_require_location)]
"""A path or an s3:// URI."""


class Exact(BaseModel):
    """Refuses booleans in number fields, where pydantic would read them as 1 and 0."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_booleans(cls, value: Any, info: ValidationInfo) -> Any:
        texts = _numeric(cls).get(info.field_name or "")
        if texts is not None and _has_boolean(value, texts):
            raise PydanticCustomError("boolean", "expected a number, not true or false")
        return value


@functools.cache
def _numeric(model: type[BaseModel]) -> dict[str, bool]:
    """Fields that take numbers and no booleans; the value is whether they also take strings."""
    kinds = {name: _inside(field.annotation) for name, field in model.model_fields.items()}
    return {
        name: str in found
        for name, found in kinds.items()
        if found & {int, float} and bool not in found
    }


def _inside(annotation: Any) -> set[Any]:
    """The types in an annotation; for a literal, the types of its values."""
    parts = get_args(annotation)
    if not parts:
        return {annotation if isinstance(annotation, type) else type(annotation)}
    return set().union(*map(_inside, parts))


def _has_boolean(value: Any, texts: bool) -> bool:
    """Whether `value` is a boolean, or contains one where a number is expected. In lists that may
    hold strings (`texts`) a boolean is an unquoted word, which the field itself refuses."""
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
    RENAMED: ClassVar[dict[str, str]] = {}
    """Former field name to its present one, for the error message."""
    FLATTENED: ClassVar[str] = ""
    """A mapping field whose entries may also be given as top-level fields, and are then named so in
    the error message."""


class Placement(Spec):
    """Where work runs and when it is retried. These fields never change a result."""

    RENAMED: ClassVar[dict[str, str]] = {"wait_s": "startup_timeout_s"}

    workers: int | None = Field(None, ge=1)
    """Worker processes. Default: as many as the machine or cluster has capacity for."""
    max_workers: int | None = Field(None, ge=1)
    """Upper limit for clusters with an autoscaler: workers to request beyond the capacity that
    exists now, so that the autoscaler adds nodes. Default: request no more than `workers`, or than
    fit now."""
    cpus_per_worker: float = Field(1, ge=_MIN_FRACTION)
    """CPU cores reserved for each worker, 0.01 or more; fractions share a core."""
    gpus_per_worker: float | None = Field(None, ge=0)
    """GPUs reserved for each worker: 0, or 0.01 or more; fractions share a GPU. Default: 1 if there
    are GPUs, else 0."""
    timeout_s: float | None = Field(None, gt=0)
    """Longest time in seconds for one unit of work (a shard, a chunk of files) before it is
    retried. Default: no limit where workers report every batch (`batch_timeout_s` covers these),
    1800 where a unit reports only its end."""
    batch_timeout_s: float = Field(300, gt=0)
    """Longest time in seconds that a worker may take for one batch before it is replaced."""
    max_retries: int = Field(3, ge=0)
    """How often one unit of work may be retried before it is given up. The other units continue."""
    startup_timeout_s: float = Field(600, ge=0)
    """Longest time in seconds to wait for a worker to start, for example while the cluster is busy
    or its autoscaler adds a node. 600 allows for the start of a node."""

    @property
    def unit_timeout_s(self) -> float:
        """Timeout in seconds of a unit of work that reports only its end."""
        return self.timeout_s or _UNIT_TIMEOUT_S

    @field_validator("gpus_per_worker")
    @classmethod
    def _zero_or_a_fraction(cls, gpus: float | None) -> float | None:
        if gpus and gpus < _MIN_FRACTION:
            raise ValueError(f"input should be 0, or {_MIN_FRACTION:g} or more")
        return gpus

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_workers is not None and self.max_workers < (self.workers or 1):
            raise ValueError(
                f"max_workers {self.max_workers} is below workers {self.workers}; raise it"
            )
        return self
