"""Which of a table's columns says what of a brief, which are the user's own, which are asked about.

A column that looks like one of ours under another name is never taken for the user's own in
silence: its pictures would be others than the table says.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aigc.conditions.labels import fold
from aigc.errors import SpecError, listed
from aigc.job.briefs.table import COLUMNS
from aigc.job.briefs.values import header_name
from aigc.specs import BriefColumns, GenerateSpec

_OURS = {
    *COLUMNS.names,
    *("id", "index", "candidate", "image", "pixels", "label", "label_name", "model"),
    *("model_digest", "digital_source_type", "score", "scores", "latent", "latents"),
    *("file", "size_bytes", "sha256"),
}
"""Names that mean something of ours in the output, or in the table of briefs."""

_SURE = {
    **dict.fromkeys(("labels",), "label"),
    **dict.fromkeys(("qty", "quantity", "counts"), "count"),
    **dict.fromkeys(("customid", "briefids"), "brief_id"),
    **{"prompts": "prompt", "seeds": "seed", "widths": "width", "heights": "height"},
    **{"codecs": "codec", "outputformat": "codec", "outputcompression": "quality"},
    **{"qualities": "quality", "truncations": "truncation"},
}
"""Plurals, names of our own flags and of OpenAI's fields: names that can mean nothing else."""
_ASKED = {
    "label": "class classes classname classlabel labelname category categories klass klasse "
    "etikett etiqueta étiquette klasa",
    "count": "n num number numbers amount images pictures numimages nimages imgs items pieces pcs "
    "copies repeat repeats howmany numberofimages noofimages anzahl menge stück "
    "antal nombre cantidad",
    "brief_id": "id brief briefname briefnumber briefno",
    "seed": "randomseed rngseed rng",
    "width": "w breite largeur ancho bredd",
    "height": "h höhe hauteur alto höjd",
    "width and height": "size imagesize resolution dimensions dimension widthxheight",
    "codec": "format fileformat imageformat filetype ext extension mimetype",
    "quality": "compression jpegquality jpgquality webpquality q",
    "truncation": "psi trunc truncationpsi",
    "index": "startindex firstindex",
}
_MEANT = {name: field for field, names in _ASKED.items() for name in names.split()}
_FILLING = {
    *("image", "images", "img", "imgs", "picture", "pictures", "pic", "pics", "px", "pixel"),
    *("pixels", "num", "number", "no", "of", "the", "in", "output", "out", "target", "wanted"),
    *("requested", "total", "brief", "item", "items", "name", "value", "names"),
}
_COUNTING = {
    *("num", "number", "numbers", "no", "nr", "nb", "nbr", "n", "amount", "many", "total"),
    *("wanted", "requested"),
}
_COUNTED = {
    *("images", "imgs", "pictures", "pics", "photos", "items", "pieces", "copies", "samples"),
    *("outputs",),
}
"""`number of images`, `images wanted`, `n_samples` ask for a count; `item number` does not."""
_OTHER_WORDS = {
    *("code", "codes", "weight", "eight", "feed", "need", "send", "seen", "seem", "deed", "weed"),
    *("reed", "heed", "sees", "seek", "shed", "sled", "sued", "speed", "steed", "county", "court"),
    *("mount", "fount", "with", "lapel", "libel", "equality", "prompter"),
}
"""English words one letter away from a field's name, which are no slips of the pen."""
_SETTINGS = {*GenerateSpec.model_fields, "color", "workers"} - {"model", *BriefColumns.model_fields}


@dataclass(frozen=True)
class Columns:
    """The user's column of each field that has one, the user's own, and lines about both."""

    fields: dict[str, str]
    own: tuple[str, ...]
    notes: tuple[str, ...]


def sort_columns(names: Sequence[str], spec: GenerateSpec) -> Columns:
    """What each of a table's columns is.

    Raises:
        SpecError: one that is named in the spec and not there, one that may be a field's under
            another name, one with the name of an output column, or no field at all.
    """
    uri = spec.briefs or ""
    kept = _kept(names, spec, uri)
    exact = _exact(names, spec.columns, uri)
    rest = [name for name in names if name not in exact.values() and name not in kept]
    alike = _alike(rest, exact, uri)
    fields = exact | alike
    rest = [name for name in rest if name not in alike.values()]
    _require_clear(rest, {*fields}, uri)
    own = tuple(name for name in names if name not in fields.values())
    _require_free(own, uri)
    if not fields and not {*own} <= kept:
        raise SpecError(
            f"briefs = {uri}: has none of the columns {', '.join(BriefColumns.model_fields)}, but "
            f"{listed(own, 20)}; put a header above the rows, or say which is which with --set "
            "columns.FIELD=NAME; name columns of your own in own_columns"
        )
    carried = tuple(n for n in names if n in own or n == fields.get("prompt"))
    return Columns(fields, carried, _notes(alike, own, uri))


def _notes(alike: dict[str, str], own: Sequence[str], uri: str) -> tuple[str, ...]:
    notes = []
    if alike:
        pairs = ", ".join(f"{name!r} as {field}" for field, name in alike.items())
        notes.append(f"{uri}: read {pairs}")
    if own:
        notes.append(
            f"{uri}: columns of your own, carried into the output and without effect on its "
            f"pictures: {listed(own, 20)}"
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


def _exact(names: Sequence[str], columns: BriefColumns, uri: str) -> dict[str, str]:
    found = {}
    for field, said in columns.model_dump().items():
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


def _alike(rest: Sequence[str], exact: dict[str, str], uri: str) -> dict[str, str]:
    """Fields that a column names in other letters, or in a way that can mean nothing else."""
    found: dict[str, str] = {}
    for name in rest:
        field = _field_of(name)
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


def _field_of(name: str) -> str | None:
    key = _key(name)
    return _KEYS.get(key) or _SURE.get(key)


def _require_clear(rest: Sequence[str], known: set[str], uri: str) -> None:
    """Raises SpecError that asks about every column that may be a field or a setting."""
    asked = [(name, _meant(name, known)) for name in rest]
    asked = [(name, meant) for name, meant in asked if meant]
    if not asked:
        return
    questions = "; ".join(f"column {name!r}: {meant}" for name, meant in asked[:5])
    keep = _set("own_columns", [name for name, _ in asked])
    raise SpecError(f"briefs = {uri}: {questions}; if it is of your own, keep it with {keep}")


def _meant(name: str, known: set[str]) -> str:
    """The question about a column, none if it can only be the user's own."""
    key = _key(name)
    if key in _SETTING_KEYS:
        setting = _SETTING_KEYS[key]
        return f"{setting} is a setting of the whole job, not of a brief; use --set {setting}=…"
    field = _MEANT.get(key) or _inside(name) or _near(key)
    if field is None or field in known or (field == "width and height" and "width" in known):
        return ""
    if field == "index":
        return "a brief has no index; did you mean seed?"
    told = "" if " " in field else f" ({_set(f'columns.{field}', name)})"
    return f"did you mean {field}?{told}"


def _inside(name: str) -> str | None:
    """A field among words that add nothing: `image_width`, `label name`, `width (px)`."""
    words = re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))
    words = [fold(word) for word in words]
    if _counts(words):
        return "count"
    left = [word for word in words if word not in _FILLING]
    return _field_of(left[0]) if len(left) == 1 < len(words) else None


def _counts(words: Sequence[str]) -> bool:
    found = {*words}
    if not found & _COUNTING or not found <= _COUNTING | _COUNTED | _FILLING | {"how"}:
        return False
    single = words[0] in _COUNTING and words[-1] in ("image", "img", "picture", "pic")
    return single or bool(found & _COUNTED)


def _near(key: str) -> str | None:
    if key in _OTHER_WORDS:
        return None
    names = _KEYS | {"labels": "label", "quantity": "count"}
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


def _require_free(own: Iterable[str], uri: str) -> None:
    """Some readers fold the case of names, so `Label` next to `label` would be one too many."""
    for name in own:
        if name.casefold() in _OURS:
            field = name.casefold() if name.casefold() in BriefColumns.model_fields else "FIELD"
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


_KEYS = {_key(field): field for field in BriefColumns.model_fields}
_SETTING_KEYS = {_key(name): name for name in _SETTINGS} | {"color": "colour"}
_SETTING_KEYS.pop("labels", None)
