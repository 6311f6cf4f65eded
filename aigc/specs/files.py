"""Specs from YAML and the command line; one clear line when they are wrong."""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from aigc.errors import SpecError
from aigc.families import FAMILIES
from aigc.families.protocol import ModelSpec
from aigc.strict import Spec

S = TypeVar("S", bound=Spec)

_NOT_YAML = (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError)
"""PyYAML also raises Python's own errors, for a 30th of February, `0x_` and `!!int ''`."""

_MOST_SHOWN = 200


_INTEGER = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)")
_REAL = "tag:yaml.org,2002:float"
_WHOLE = "tag:yaml.org,2002:int"

_SHELL_PIPE = re.compile(r"/dev/(?:stdin|fd/[0-9]+)")
"""Pipes that a shell creates for `--spec <(...)`."""

_MESSAGES = {
    "tuple_type": "expected a list, as in [a, b]",
    "list_type": "expected a list, as in [a, b]",
    "dict_type": "expected fields, as in {name: value}",
    "model_type": "expected fields, as in {name: value}",
    "model_attributes_type": "expected fields, as in {name: value}",
}


class _Loader(yaml.SafeLoader):
    """Refuses a repeated field, of which PyYAML would keep the last.

    010 and 1:30 (8 and 90 in YAML 1.1) remain strings: a number field reads the first as 10 and
    refuses the second.
    """

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        tag = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        if kind is yaml.ScalarNode and implicit[0] and value is not None:
            text = (tag == _WHOLE and not _INTEGER.fullmatch(value)) or (
                tag == _REAL and ":" in value
            )
            return self.DEFAULT_SCALAR_TAG if text else tag
        return tag

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := [name for name in names if names.count(name) > 1]:
            raise yaml.MarkedYAMLError(problem=f"{twice[0]} occurs twice")
        return super().construct_mapping(node, deep)


def build(spec: type[S], values: dict[str, Any], where: str = "") -> S:
    """Validate `values` as a spec.

    Raises:
        SpecError: one line naming the first wrong field, its value and what would be right.
    """
    try:
        return spec.model_validate(values)
    except ValidationError as error:
        raise SpecError(_explain(error, spec, where, values)) from None


def load(spec: type[S], path: str | None, overrides: dict[str, Any]) -> S:
    """Read the YAML file at `path` (`-`: standard input), if any, and apply `overrides`.

    Raises:
        SpecError: as `read` and `build`.
    """
    values = read(path) if path else {}
    for key, value in overrides.items():
        set_dotted(values, key, value)
    return build(spec, values, where=path or "")


def read(path: str) -> dict[str, Any]:
    """The fields in the YAML file at `path` (`-`: standard input), not yet validated.

    Raises:
        SpecError: the file cannot be read, or is not a mapping.
    """
    try:
        loaded = yaml.load(_text(path), _Loader)
    except UnicodeDecodeError as error:
        raise SpecError(f"spec {path}: {_not_utf8(error)}") from None
    except OSError as error:
        raise SpecError(f"spec {path}: {error.strerror or error}") from None
    except _NOT_YAML as error:
        raise SpecError(f"spec {path}: not YAML: {_one_line(error)}") from None
    if not isinstance(loaded, dict):
        raise SpecError(f"spec {path}: expected fields like `model: NAME`, got {loaded!r}")
    return loaded


def _text(path: str) -> str:
    if path == "-":
        return sys.stdin.read()
    file = Path(path)
    if file.exists() and not (file.is_file() or file.is_dir() or _SHELL_PIPE.fullmatch(path)):
        raise SpecError(f"spec {path}: not a regular file; `-` reads standard input")
    text = file.read_text(encoding="utf-8")
    if "\0" in text:
        raise SpecError(f"spec {path}: it has zero bytes, as UTF-16 text has; save it as UTF-8")
    return text


def _not_utf8(error: UnicodeDecodeError) -> str:
    wide = error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return f"not UTF-8 text{', it looks like UTF-16' if wide else ''}; save it as UTF-8"


def parse_setting(text: str) -> tuple[str, Any]:
    """`a.b=VALUE` as (key, YAML value). A value that begins with # is a colour, not a comment.
    Raises SpecError."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise SpecError(f"--set {text!r}: expected FIELD=VALUE, for example --set lr=2e-4")
    if value.startswith("#"):
        return key, value
    try:
        parsed = yaml.load(value, _Loader)
    except _NOT_YAML as error:
        reason = _one_line(getattr(error, "problem", None) or error)
        raise SpecError(f"--set {text!r}: the value is not YAML: {reason}") from None
    return key, parsed


def dump(spec: Spec) -> str:
    """The resolved spec as YAML, every field written out."""
    return yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def set_dotted(values: dict[str, Any], key: str, value: Any) -> None:
    """Put `value` at the dotted `key` of nested `values`. Raises SpecError."""
    *parents, last = key.split(".")
    for parent in parents:
        inner = values.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise SpecError(f"--set {key}: {parent} is {inner!r}, it has no fields")
        values = inner
    values[last] = value


def _written(parts: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """The parts of an error's path without names of alternatives of a union (a family, a class,
    "tuple[...]"), which no user wrote; what stands in `values` was written, whatever its name."""
    path, at = list[str](), values
    for part in parts:
        if isinstance(at, Mapping) and part in at:
            path, at = [*path, part], at[part]
        elif not (part in FAMILIES or "[" in part or part == "bool" or part[:1].isupper()):
            path.append(part)
    return path


def _explain(
    error: ValidationError, spec: type[Spec], where: str, values: Mapping[str, Any]
) -> str:
    # Of the errors of a union, the deepest concerns the alternative that was meant.
    first = max(error.errors(include_url=False), key=lambda found: len(found["loc"]))
    parts = [str(part) for part in first["loc"]]
    path = _written(parts, values)
    given = first["input"]
    if first["type"] == "boolean" and isinstance(given, dict):
        name, given = next(item for item in given.items() if isinstance(item[1], bool))
        path.append(str(name))
    if path[:1] == [spec.FLATTENED] and path[1:] and path[1] in values:
        del path[0]
    field = ".".join(path) or "spec"
    prefix = f"{where}: " if where else ""
    match first["type"]:
        case "extra_forbidden":
            if family := _other_family(spec, parts):
                return f"{prefix}{field}: {family}"
            models = _models(spec, parts[:-1])
            if renamed := _renamed(models, parts[-1]):
                return f"{prefix}field {field} is now {'.'.join([*path[:-1], renamed])}; rename it"
            whose = f"the fields of {'.'.join(path[:-1])}" if path[1:] else "the fields"
            known = ", ".join(models[0].model_fields)
            return f"{prefix}unknown field {field}; {whose} are: {known}"
        case "missing":
            return f"{prefix}field {field} is missing"
        case "union_tag_invalid":
            tag, expected = first["ctx"]["tag"], first["ctx"]["expected_tags"]
            return f"{prefix}{field}.family = {tag!r}: input should be one of {expected}"
    message = _MESSAGES.get(first["type"]) or first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if first["type"] in ("string_type", "invalid_key"):
        message += _unquoted(given)
    elif first["type"] == "boolean" and isinstance(given, bool):
        message += f"; {_read_as(given)}"
    shown = "" if isinstance(given, dict) else f" = {_shown(given)}"
    return f"{prefix}{field}{shown}: {message}"


def _renamed(models: list[type[BaseModel]], name: str) -> str | None:
    """The present name of a field formerly called `name`, if it is one of `models`."""
    found = (m.RENAMED.get(name) for m in models if issubclass(m, Spec))
    return next(filter(None, found), None)


def _unquoted(value: object) -> str:
    """Advice for a word that YAML reads as another type."""
    if isinstance(value, bool):
        return f"; {_read_as(value)}: put the word in quotes if it is text"
    is_other = isinstance(value, int | float | date)
    return "; put it in quotes if it is text" if is_other else ""


def _read_as(value: bool) -> str:
    return f"YAML reads {'yes, on and true' if value else 'no, off and false'} as {value}"


def _one_line(error: object) -> str:
    quote = "" if isinstance(error, str | yaml.YAMLError) else "; put it in quotes if it is text"
    return " ".join(str(error).split()) + quote


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "..."


def _models(spec: type[BaseModel], path: list[str]) -> list[type[BaseModel]]:
    """The models allowed at `path` in `spec`. The name of an alternative selects that one."""
    found = [spec]
    for part in path:
        named = [model for model in found if part in _families(model)]
        annotations = (m.model_fields[part].annotation for m in found if part in m.model_fields)
        found = named or [inner for kind in annotations for inner in _inside(kind)]
    return found


def _other_family(spec: type[BaseModel], parts: list[str]) -> str:
    """A message if the field at `parts` belongs to another family than the chosen one, else ""."""
    *path, chosen, name = ["", *parts]
    others = [model for model in _models(spec, path[1:]) if name in model.model_fields]
    families = [family for model in others for family in _families(model)]
    if chosen not in FAMILIES or not families:
        return ""
    return (
        f"a field of family {families[0]}, while the other fields define a model of family {chosen}"
    )


def _families(model: type[BaseModel]) -> tuple[str, ...]:
    family = model.model_fields.get("family")
    return get_args(family.annotation) if family else ()


def _inside(annotation: Any) -> list[type[BaseModel]]:
    """The models named in an annotation such as `Gates | None`."""
    if annotation is ModelSpec:
        return [family.spec for family in FAMILIES.values()]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _inside(part)]
