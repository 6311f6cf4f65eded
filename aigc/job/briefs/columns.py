"""Which of a table's columns says what of a brief, which are the user's own, which are asked about.

A column that looks like one of ours under another name is never taken for the user's own in
silence: its pictures would be others than the table says.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aigc.conditions.labels import fold
from aigc.errors import SpecError, listed
from aigc.job.briefs.fields import BRIEF_FIELDS
from aigc.job.briefs.table import COMMON
from aigc.job.briefs.values import header_name
from aigc.job.briefs.words import COUNTED, COUNTING, FILLING, MEANT, ONE, OTHER_WORDS, SURE
from aigc.modalities import Delivery
from aigc.specs import BriefColumns, GenerateSpec

_OURS = {
    *COMMON.names,
    *("id", "index", "candidate", "label", "label_name", "model"),
    *("model_digest", "digital_source_type", "score", "scores", "latent", "latents"),
    *("file", "size_bytes", "sha256"),
}
"""Names that mean something of ours in the output, or in the table of briefs, of any modality."""

_SETTINGS = {*GenerateSpec.model_fields, "color", "workers"} - {"model", *BriefColumns.model_fields}


@dataclass(frozen=True)
class Columns:
    """The user's column of each field that has one, the user's own, and lines about both."""

    fields: dict[str, str]
    own: tuple[str, ...]
    notes: tuple[str, ...]


def sort_columns(names: Sequence[str], spec: GenerateSpec, delivery: Delivery) -> Columns:
    """What each of a table's columns is, where a brief says what `delivery` can set.

    Raises:
        SpecError: one that is named in the spec and not there, one that may be a field's under
            another name, one with the name of an output column, or no field at all.
    """
    uri = spec.briefs or ""
    kept = _kept(names, spec, uri)
    said = names_of(spec.columns, delivery)
    exact = _exact(names, said, uri)
    rest = [name for name in names if name not in exact.values() and name not in kept]
    alike = _alike(rest, exact, said, uri)
    fields = exact | alike
    rest = [name for name in rest if name not in alike.values()]
    _require_clear(rest, {*fields}, said, uri)
    own = tuple(name for name in names if name not in fields.values())
    _require_free(own, said, delivery, uri)
    if not fields and not {*own} <= kept:
        raise SpecError(
            f"briefs = {uri}: has none of the columns {', '.join(said)}, but "
            f"{listed(own, 20)}; put a header above the rows, or say which is which with --set "
            "columns.FIELD=NAME; name columns of your own in own_columns"
        )
    carried = tuple(n for n in names if n in own or n == fields.get("prompt"))
    return Columns(fields, carried, _notes(alike, own, uri))


def names_of(columns: BriefColumns, delivery: Delivery) -> dict[str, str]:
    """The user's column of each field that a brief can have.

    Raises:
        SpecError: a field that no brief of this modality has is given a column.
    """
    said = columns.model_dump()
    known = [*BRIEF_FIELDS, *(column.name for column in delivery.columns)]
    for field, name in said.items():
        if field not in known and name != field:
            raise SpecError(
                f"columns.{field} = {name}: no field of these briefs; the fields are "
                f"{', '.join(known)}"
            )
    order = [field for field in said if field in known]
    return {field: said.get(field, field) for field in dict.fromkeys([*order, *known])}


def _notes(alike: dict[str, str], own: Sequence[str], uri: str) -> tuple[str, ...]:
    notes = []
    if alike:
        pairs = ", ".join(f"{name!r} as {field}" for field, name in alike.items())
        notes.append(f"{uri}: read {pairs}")
    if own:
        notes.append(
            f"{uri}: columns of your own, carried into the output and without effect on its "
            f"items: {listed(own, 20)}"
        )
    return tuple(notes)


def _kept(names: Sequence[str], spec: GenerateSpec, uri: str) -> set[str]:
    kept = {header_name(name) for name in spec.own_columns}
    for name in sorted(kept - {*names}):
        raise SpecError(
            f"own_columns = {name}: {uri} has no such column{_hint(name, names)}; it has: "
            f"{listed(names, 20)}"
        )
    return kept


def _exact(names: Sequence[str], columns: Mapping[str, str], uri: str) -> dict[str, str]:
    found = {}
    for field, said in columns.items():
        name = header_name(said)
        if name in names:
            found[field] = name
        elif name != field:
            raise SpecError(
                f"columns.{field} = {name}: {uri} has no such column{_hint(name, names)}; "
                f"it has: {listed(names, 20)}"
            )
    return found


def _hint(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _alike(
    rest: Sequence[str], exact: dict[str, str], fields: Collection[str], uri: str
) -> dict[str, str]:
    """Fields that a column names in other letters, or in a way that can mean nothing else."""
    found: dict[str, str] = {}
    for name in rest:
        field = _field_of(name, fields)
        if field is None:
            continue
        other = exact.get(field) or found.get(field)
        if other is None:
            found[field] = name
        else:
            kept = _set("own_columns", [name])
            keep = "" if fold(other) == fold(name) else f", or keep the second as your own: {kept}"
            raise SpecError(
                f"briefs = {uri}: columns {other!r} and {name!r} are both like {field}; rename "
                f"one{keep}"
            )
    return found


def _field_of(name: str, fields: Collection[str]) -> str | None:
    key = _key(name)
    field = _keys(fields).get(key) or SURE.get(key)
    return field if field in fields else None


def _keys(fields: Collection[str]) -> dict[str, str]:
    return {_key(field): field for field in fields}


def _require_clear(rest: Sequence[str], known: set[str], fields: Collection[str], uri: str) -> None:
    """Raises SpecError that asks about every column that may be a field or a setting."""
    asked = [(name, _meant(name, known, fields)) for name in rest]
    asked = [(name, meant) for name, meant in asked if meant]
    if not asked:
        return
    questions = "; ".join(f"column {name!r}: {meant}" for name, meant in asked[:5])
    keep = _set("own_columns", [name for name, _ in asked])
    raise SpecError(f"briefs = {uri}: {questions}; if it is of your own, keep it with {keep}")


def _meant(name: str, known: set[str], fields: Collection[str]) -> str:
    """The question about a column, none if it can only be the user's own."""
    key = _key(name)
    if key in _SETTING_KEYS:
        setting = _SETTING_KEYS[key]
        return f"{setting} is a setting of the whole job, not of a brief; use --set {setting}=…"
    field = MEANT.get(key) or _inside(name, fields) or _near(key, fields)
    if field != "index" and not {*(field or "").split(" and ")} <= {*fields}:
        return ""
    if field is None or field in known or (field == "width and height" and "width" in known):
        return ""
    if field == "index":
        return "a brief has no index; did you mean seed?"
    told = "" if " " in field else f" ({_set(f'columns.{field}', name)})"
    return f"did you mean {field}?{told}"


def _inside(name: str, fields: Collection[str]) -> str | None:
    """A field among words that add nothing: `image_width`, `label name`, `width (px)`."""
    words = re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))
    words = [fold(word) for word in words]
    if _counts(words):
        return "count"
    left = [word for word in words if word not in FILLING]
    return _field_of(left[0], fields) if len(left) == 1 < len(words) else None


def _counts(words: Sequence[str]) -> bool:
    found = {*words}
    if not found & COUNTING or not found <= COUNTING | COUNTED | FILLING | {"how"}:
        return False
    single = words[0] in COUNTING and words[-1] in ONE
    return single or bool(found & COUNTED)


def _near(key: str, fields: Collection[str]) -> str | None:
    if key in OTHER_WORDS:
        return None
    names = _keys(fields) | {"labels": "label", "quantity": "count"}
    near = [name for name in names if _slips(key, name) <= len(name) // 8 + 1]
    close = difflib.get_close_matches(key, near, n=1, cutoff=0)
    return names[close[0]] if close else None


def _slips(one: str, other: str) -> int:
    """Letters left out, added, changed or swapped with their neighbour; at most 3."""
    if abs(len(one) - len(other)) > 2 or min(len(one), len(other)) < 3:
        return 3
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        last, row, older = row, [i], before
        for j, b in enumerate(other, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 < j and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        before = last
    return min(row[-1], 3)


def _require_free(
    own: Iterable[str], fields: Collection[str], delivery: Delivery, uri: str
) -> None:
    """Some readers fold the case of names, so `Label` next to `label` would be one too many."""
    ours = {*_OURS, *fields, delivery.column, delivery.raw_column}
    for name in own:
        if name.casefold() in ours:
            field = name.casefold() if name.casefold() in fields else "FIELD"
            raise SpecError(
                f"briefs = {uri}: column {name!r} has the name of an output column; rename it, or "
                f"say what it is with --set columns.{field}={name}"
            )


def _key(name: str) -> str:
    """A name without case, spaces and punctuation."""
    return re.sub(r"[\W_]+", "", fold(name))


def _set(field: str, value: str | list[str]) -> str:
    if isinstance(value, list):
        return f"--set '{field}={json.dumps(value, ensure_ascii=False)}'"
    plain = re.fullmatch(r"\w+", value)
    return f"--set {field}={value}" if plain else f"--set '{field}={json.dumps(value)}'"


_SETTING_KEYS = {_key(name): name for name in _SETTINGS} | {"color": "colour"}
_SETTING_KEYS.pop("labels", None)
