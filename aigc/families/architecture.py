"""The field `model` of a spec, and `architecture` of a model folder: any family's spec."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import (
    CoreSchema,
    InitErrorDetails,
    PydanticCustomError,
    PydanticKnownError,
    core_schema,
)

from aigc.families import FAMILIES
from aigc.families.protocol import Family, ModelSpec


class _OneOfFamilies:
    """Validates by the spec of one family, which `choose` names; None where nothing names one.

    `FAMILIES` is read when a value is validated. Errors carry the family's name in their place, as
    those of a pydantic union do.
    """

    def __init__(self, choose: Callable[[Any], str | None], *, trained: bool = False) -> None:
        """`trained` leaves out the families that are imported only."""
        self._choose, self._trained = choose, trained

    def _families(self) -> dict[str, Family]:
        found = FAMILIES.items()
        return {name: family for name, family in found if family.learner or not self._trained}

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._validated, metadata={"pydantic_js_functions": [self._json_schema]}
        )

    def _json_schema(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        kinds = [handler(each.spec.__pydantic_core_schema__) for each in self._families().values()]
        return {"oneOf": kinds}

    def _validated(self, value: Any) -> ModelSpec:
        name = self._choose(value)
        if name is None:
            raise PydanticKnownError("union_tag_not_found", {"discriminator": "family"})
        known = self._families()
        if name not in known:
            expected = ", ".join(map(repr, known))
            raise PydanticKnownError(
                "union_tag_invalid",
                {"discriminator": "family", "tag": name, "expected_tags": expected},
            )
        try:
            return known[name].spec.model_validate(value)
        except ValidationError as error:
            raise _placed(error, name) from None


def _placed(error: ValidationError, family: str) -> ValidationError:
    """The same errors, each below the family's name."""
    details: list[InitErrorDetails] = []
    for found in error.errors(include_url=False):
        kind: str | PydanticCustomError = found["type"]
        context = found.get("ctx", {})
        try:
            PydanticKnownError(found["type"], context)  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError):
            kind = PydanticCustomError(found["type"], found["msg"])
        at = (family, *found["loc"])
        details.append(InitErrorDetails(type=kind, loc=at, input=found["input"], ctx=context))
    return ValidationError.from_exception_data(error.title, details)


def named_family(value: Any) -> str | None:
    """The family that a model, or its fields, name; None where they name none."""
    name = value.get("family") if isinstance(value, dict) else getattr(value, "family", None)
    return None if name is None else str(name)


def meant_family(value: Any) -> str:
    """The family that a model's fields belong to: the one they name, or the first of those that
    know the most of them."""
    if isinstance(value, dict) and "family" not in value:
        known = {
            name: len(family.spec.model_fields.keys() & value.keys())
            for name, family in FAMILIES.items()
            if family.learner
        }
        return max(known, key=lambda name: known[name])
    given = value.get("family") if isinstance(value, dict) else getattr(value, "family", None)
    return str(given) if isinstance(value, dict) or given is not None else next(iter(FAMILIES))


Architecture = Annotated[ModelSpec, _OneOfFamilies(named_family)]
"""Of a model folder: the family must be named."""
AnyModel = Annotated[ModelSpec, _OneOfFamilies(meant_family, trained=True)]
"""Of a training spec: fields that only one family has name it, too."""
