"""Which input of an ONNX graph is the noise, which the label, which a text embedding."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from aigc.errors import SpecError, listed
from aigc.strict import Spec

_LABEL = re.compile(r"(^|_)(label|labels|class|classes|cls|category|cond|target|y|c)(_|$|\d|id)")
_TEXT = re.compile(r"(text|prompt|embed|context|caption|hidden_states|clip)")
_NOISE = re.compile(r"(^|_)(z|noise|latent|latents|seed|eps|epsilon|w|x|input)(_|$|\d)")
_INTEGERS = ("int32", "int64")
_FLOATS = ("float32", "float64", "float16")
MAX_NOISE = 2**22
"""Numbers an item."""

LabelForm = Literal["index", "column", "one_hot"]


class NoiseInput(Spec):
    """Numbers that are drawn for each item."""

    name: str
    shape: tuple[int, ...]
    """Of one row."""
    dtype: Literal["float32", "float64", "float16"] = "float32"
    distribution: Literal["normal", "uniform"] = "normal"
    """`normal` has mean 0 and standard deviation 1, `uniform` lies in -1..1."""

    @property
    def size(self) -> int:
        """Numbers of one row."""
        return math.prod(self.shape)


class LabelInput(Spec):
    """The class: `index` (B,), `column` (B, 1), or `one_hot` (B, classes)."""

    name: str
    form: LabelForm = "index"
    dtype: Literal["int32", "int64", "float32", "float64", "float16"] = "int64"


class TextInput(Spec):
    """A text embedding, one for each label, kept with the model."""

    name: str
    shape: tuple[int, ...]
    dtype: Literal["float32", "float64", "float16"] = "float32"


class FixedInput(Spec):
    """An input that has the same value for every item, such as a truncation."""

    name: str
    value: float
    shape: tuple[int, ...] = ()
    dtype: str = "float32"


class GraphInputs(Spec):
    """Every input of a graph and what it is given."""

    noise: tuple[NoiseInput, ...] = Field(min_length=1)
    label: LabelInput | None = None
    text: TextInput | None = None
    fixed: tuple[FixedInput, ...] = ()

    @property
    def batched(self) -> tuple[str, ...]:
        """The inputs that have a row for each item."""
        roles = [*self.noise, *(each for each in (self.label, self.text) if each is not None)]
        return tuple(each.name for each in roles)


@dataclass(frozen=True)
class InputRoles:
    """What the user says of the inputs; the rest is deduced from names and shapes."""

    noise: tuple[str, ...] = ()
    label: str | None = None
    text: str | None = None
    fixed: Mapping[str, float] = field(default_factory=dict)
    distribution: Literal["normal", "uniform"] = "normal"


def deduced(
    found: Sequence[Mapping[str, Any]], roles: InputRoles, labels: Sequence[str]
) -> GraphInputs:
    """The inputs `found` in a graph (`isolated.checks.describe`), each with its part.

    Raises:
        SpecError: a name is not among them, or one's part is not plain.
    """
    known = {each["name"]: each for each in found}
    for option, name in _options(roles):
        if name not in known:
            raise SpecError(f"{option} {name}: the graph has no such input; it has {_all(found)}")
    parts = {name: _part(known[name], roles, found, len(labels)) for name in known}
    unclear = [name for name, part in parts.items() if part is None]
    if unclear:
        raise SpecError(
            f"input {_form(known[unclear[0]])} is neither noise nor a label for certain; give "
            "--noise, --label, --text or --fix with its name"
        )
    of = {part: [n for n, p in parts.items() if p == part] for part in ("noise", "label", "text")}
    for part in ("label", "text"):
        if len(of[part]) > 1:
            raise SpecError(f"inputs {listed(of[part])}: only one can be the {part}; give --{part}")
    if of["label"] and of["text"]:
        both = listed([*of["label"], *of["text"]])
        raise SpecError(
            f"inputs {both}: a graph takes a label or a text embedding, not both; "
            "give one of them a fixed value with --fix"
        )
    if not of["noise"]:
        raise SpecError(f"no input is noise; give --noise with one of {_all(found)}")
    return GraphInputs(
        noise=tuple(_noise(known[name], roles.distribution) for name in of["noise"]),
        label=_label(known[of["label"][0]], len(labels)) if of["label"] else None,
        text=_text(known[of["text"][0]]) if of["text"] else None,
        fixed=tuple(_fixed(known[name], value) for name, value in roles.fixed.items()),
    )


def _options(roles: InputRoles) -> Iterator[tuple[str, str]]:
    yield from (("--noise", name) for name in roles.noise)
    if roles.label:
        yield "--label", roles.label
    if roles.text:
        yield "--text", roles.text
    yield from (("--fix", name) for name in roles.fixed)


def _part(
    one: Mapping[str, Any], roles: InputRoles, found: Sequence[Mapping[str, Any]], labels: int
) -> str | None:
    """`noise`, `label`, `text` or `fixed`; None where it is not plain."""
    name = one["name"]
    said = {**dict.fromkeys(roles.noise, "noise"), **dict.fromkeys(roles.fixed, "fixed")}
    said |= {roles.label: "label"} if roles.label else {}
    said |= {roles.text: "text"} if roles.text else {}
    if name in said:
        return said[name]
    low, axes = name.lower(), one["shape"]
    if one["dtype"] in _INTEGERS:
        return "label" if not roles.label and axes[1:] in ([], [1]) and len(axes) else None
    if one["dtype"] not in _FLOATS or len(axes) < 2:
        return None
    if not roles.label and _LABEL.search(low) and len(axes) == 2 and axes[1] in (1, labels):
        return "label"
    if not roles.text and _TEXT.search(low) and not _NOISE.search(low):
        return "text"
    floats = [each for each in found if each["dtype"] in _FLOATS and each["name"] not in said]
    plain = len(floats) == 1 and not roles.noise
    return "noise" if plain or (_NOISE.search(low) and not roles.noise) else None


def _noise(one: Mapping[str, Any], distribution: Literal["normal", "uniform"]) -> NoiseInput:
    if one["dtype"] not in _FLOATS:
        raise SpecError(f"noise {_form(one)}: expected floating point numbers")
    shape = _row_shape(one)
    if not 1 <= math.prod(shape) <= MAX_NOISE:
        raise SpecError(f"noise {_form(one)}: expected 1 to {MAX_NOISE:,} numbers an item")
    return NoiseInput(name=one["name"], shape=shape, dtype=one["dtype"], distribution=distribution)


def _label(one: Mapping[str, Any], labels: int) -> LabelInput:
    if not labels:
        raise SpecError(
            f"input {_form(one)} takes a class; name the classes in the order of their numbers: "
            "--labels cat,dog"
        )
    shape = _row_shape(one)
    form: LabelForm | None = {(): "index", (1,): "column"}.get(shape)  # type: ignore[assignment]
    if form is None and shape == (labels,):
        form = "one_hot"
    if form is None:
        raise SpecError(
            f"label {_form(one)}: expected one number an item, or {labels} for the "
            f"{labels} --labels"
        )
    if one["dtype"] not in (*_INTEGERS, *_FLOATS):
        raise SpecError(f"label {_form(one)}: expected numbers")
    return LabelInput(name=one["name"], form=form, dtype=one["dtype"])


def _text(one: Mapping[str, Any]) -> TextInput:
    if one["dtype"] not in _FLOATS:
        raise SpecError(f"text {_form(one)}: expected an embedding of floating point numbers")
    return TextInput(name=one["name"], shape=_row_shape(one), dtype=one["dtype"])


def _fixed(one: Mapping[str, Any], value: float) -> FixedInput:
    shape = tuple(axis if isinstance(axis, int) else 1 for axis in one["shape"])
    if one["dtype"] not in (*_INTEGERS, *_FLOATS, "bool"):
        raise SpecError(f"--fix {_form(one)}: expected an input of numbers")
    if one["dtype"] in (*_INTEGERS, "bool") and value != int(value):
        raise SpecError(f"--fix {one['name']}={value:g}: expected a whole number")
    return FixedInput(name=one["name"], value=value, shape=shape, dtype=one["dtype"])


def _row_shape(one: Mapping[str, Any]) -> tuple[int, ...]:
    if not one["shape"]:
        raise SpecError(f"input {_form(one)} has no batch axis; export it with one")
    axes = one["shape"][1:]
    if not all(isinstance(axis, int) for axis in axes):
        raise SpecError(
            f"input {_form(one)}: only the first axis may be free; export it with fixed sizes"
        )
    return tuple(axes)


def _all(found: Sequence[Mapping[str, Any]]) -> str:
    return listed([_form(one) for one in found]) or "none"


def _form(one: Mapping[str, Any]) -> str:
    """`z (float32, n × 64)`."""
    axes = " × ".join("?" if axis is None else str(axis) for axis in one["shape"])
    return f"{one['name']} ({one['dtype']}{', ' + axes if axes else ''})"
