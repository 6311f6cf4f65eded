"""Recognises the inputs of an ONNX graph: noise, label and text embedding."""

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
"""Largest number of values per item."""

LabelForm = Literal["index", "column", "one_hot"]


class NoiseInput(Spec):
    """Random numbers of each item."""

    name: str
    """Name of the input."""
    shape: tuple[int, ...]
    """Shape of one row."""
    dtype: Literal["float32", "float64", "float16"] = "float32"
    """Number format of the input."""
    distribution: Literal["normal", "uniform"] = "normal"
    """`normal`: mean 0, standard deviation 1. `uniform`: -1..1."""

    @property
    def size(self) -> int:
        """Numbers of one row."""
        return math.prod(self.shape)


class LabelInput(Spec):
    """The class of each item."""

    name: str
    """Name of the input."""
    form: LabelForm = "index"
    """Shape of the input for B rows: `index` (B,), `column` (B, 1), `one_hot` (B, classes)."""
    dtype: Literal["int32", "int64", "float32", "float64", "float16"] = "int64"
    """Number format of the input."""


class TextInput(Spec):
    """A text embedding for each label, stored with the model."""

    name: str
    """Name of the input."""
    shape: tuple[int, ...]
    """Shape of one embedding."""
    dtype: Literal["float32", "float64", "float16"] = "float32"
    """Number format of the input."""


class FixedInput(Spec):
    """An input with one value for all items, such as a truncation."""

    name: str
    """Name of the input."""
    value: float
    """The value, in every element."""
    shape: tuple[int, ...] = ()
    """Shape of the input."""
    dtype: str = "float32"
    """Number format of the input."""


class GraphInputs(Spec):
    """All inputs of a graph and their values."""

    noise: tuple[NoiseInput, ...] = Field(min_length=1)
    """Inputs of random numbers."""
    label: LabelInput | None = None
    """Input of the class; null if there is none."""
    text: TextInput | None = None
    """Input of a text embedding; null if there is none."""
    fixed: tuple[FixedInput, ...] = ()
    """Inputs with the same value for all items."""

    @property
    def batched(self) -> tuple[str, ...]:
        """Names of the inputs that have one row per item."""
        roles = [*self.noise, *(each for each in (self.label, self.text) if each is not None)]
        return tuple(each.name for each in roles)


@dataclass(frozen=True)
class InputRoles:
    """Inputs that the user named; the others are deduced from their names and shapes."""

    noise: tuple[str, ...] = ()
    label: str | None = None
    text: str | None = None
    fixed: Mapping[str, float] = field(default_factory=dict)
    distribution: Literal["normal", "uniform"] = "normal"


def deduced(
    found: Sequence[Mapping[str, Any]], roles: InputRoles, labels: Sequence[str]
) -> GraphInputs:
    """Assign a role to each of the inputs `found` in a graph (see `isolated.checks.describe`).

    Raises:
        SpecError: a named input does not exist, or the role of an input is not clear.
    """
    known = {each["name"]: each for each in found}
    for option, name in _options(roles):
        if name not in known:
            raise SpecError(f"{option} {name}: the graph has no such input; it has {_all(found)}")
    parts = {name: _part(known[name], roles, found, len(labels)) for name in known}
    unclear = [name for name, part in parts.items() if part is None]
    if unclear:
        raise SpecError(
            f"input {_form(known[unclear[0]])}: its role is not clear; name it with "
            "--noise, --label, --text or --fix"
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
    """`noise`, `label`, `text` or `fixed`; None if the role is not clear."""
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
        raise SpecError(f"noise {_form(one)}: expected 1 to {MAX_NOISE:,} numbers per item")
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
            f"label {_form(one)}: expected one number per item, or {labels} for the "
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
        raise SpecError(f"input {_form(one)}: only the first axis may be dynamic; fix the others")
    return tuple(axes)


def _all(found: Sequence[Mapping[str, Any]]) -> str:
    return listed([_form(one) for one in found]) or "none"


def _form(one: Mapping[str, Any]) -> str:
    """`z (float32, n × 64)`."""
    axes = " × ".join("?" if axis is None else str(axis) for axis in one["shape"])
    return f"{one['name']} ({one['dtype']}{', ' + axes if axes else ''})"
