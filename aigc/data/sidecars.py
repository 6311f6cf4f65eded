"""Files next to an input that describe it: `a.txt` (caption), `a.json` (texts, and the class where
neither folders nor a table name it) and `a.cls` (class, as in WebDataset) of `a.png`."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from aigc.data import archives, label_cells, notes
from aigc.data.classes import plain_text
from aigc.data.label_cells import Spellings
from aigc.data.notes import Notes
from aigc.errors import DataError, shown
from aigc.modalities.base import RejectError
from aigc.specs import PrepareSpec
from aigc.storage import Entry

_TEXT = (".txt", ".caption")
_JSON = ".json"
_CLASS = ".cls"
_LABELS = ("label_name", "label", "class", "cls")
"""Fields of JSON files that hold the class; the first that is there counts."""
_MOST_BYTES = 2**20
_READ_THREADS = 8
_SNIFFED = 64
_BOXES = re.compile(r"\s*(\d+(\s+-?\d*\.?\d+){4,}\s*)+")
"""Boxes of objects, one a line, as YOLO has them: not a caption."""


@dataclass(frozen=True)
class Sidecars:
    of: dict[str, tuple[Entry, ...]]
    """By the input's key."""
    labels: dict[str, str]
    """Class by the input's key, from .cls or JSON."""
    columns: tuple[str, ...]
    """Those of `notes.COLUMNS` that they have."""
    unread: str = ""
    """What may hold labels and is not used: a field of a JSON file, or a .cls of no input."""
    fields: tuple[str, ...] = ()
    """Of JSON files: those that would hold the class, where a sample of the files has one."""
    spellings: Spellings = field(default_factory=Spellings)
    origin: str = ".cls files"
    """Where `labels` come from."""

    def with_json_labels(self) -> Sidecars:
        """`self` with labels from JSON files, where these have any."""
        if not self.fields:
            return self
        with ThreadPoolExecutor(_READ_THREADS) as pool:
            cells = pool.map(lambda entries: _json_label(entries, self.fields), self.of.values())
            labels, spellings = _named(dict(zip(self.of, cells, strict=True)))
        if not labels:
            return self
        where = f"{self.unread.partition(' in ')[0]} of .json files"
        return replace(self, labels=labels, spellings=spellings, unread="", origin=where)

    @property
    def files(self) -> set[str]:
        return {entry.key for entries in self.of.values() for entry in entries}


def find(entries: Sequence[Entry], inputs: Sequence[Entry], spec: PrepareSpec) -> Sidecars:
    """What lies next to `inputs` among all `entries`.

    Raises:
        DataError: a .cls that is not text.
    """
    known = {entry.key: entry for entry in entries if entry.key.endswith((*_TEXT, _JSON, _CLASS))}
    of: dict[str, tuple[Entry, ...]] = {}
    for entry in inputs if known else ():
        spelled = [_beside(entry, suffix, known) for suffix in (*_TEXT, _JSON, _CLASS)]
        spelled += [entry.key + suffix for suffix in (*_TEXT, _JSON)]
        if found := tuple(known[key] for key in spelled if key in known):
            of[entry.key] = found
    labels, spellings = _labels(of, spec)
    columns = _columns(of.values(), spec)
    if labels or not spec.label_column or spec.label_file is not None:
        return Sidecars(of, labels, columns, spellings=spellings)
    if lone := _lone_class(known, of.values()):
        return Sidecars(of, labels, columns, lone)
    fields = tuple(dict.fromkeys((spec.label_column, *_LABELS)))
    if spec.label_column in _LABELS:
        fields = _LABELS
    unread = _json_field(of.values(), fields)
    return Sidecars(of, labels, columns, unread, fields if unread else ())


def read(files: Iterable[Entry], spec: PrepareSpec) -> Notes:
    """What the side files of one input say; text of its own file counts before that of JSON.

    Raises:
        RejectError: not text, or not JSON.
    """
    said = Notes()
    for entry in sorted(files, key=lambda one: not one.key.endswith(_JSON)):
        if entry.key.endswith(_JSON):
            row = _object(entry)
            wanted = [getattr(spec, f"{name}_column") for name in notes.COLUMNS]
            present = {*row, *filter(None, wanted)}  # one file may lack what others have
            said = notes.of_row(row, notes.choose(spec, present, entry.key))
        elif entry.key.endswith(_TEXT) and spec.caption_column != "":
            found = _text(entry)
            if found.strip() and not _BOXES.fullmatch(found):
                said = replace(said, caption=notes.text(found, "caption"))
    return said


def _beside(entry: Entry, suffix: str, known: Mapping[str, Entry]) -> str:
    """The key of the file with `suffix` next to `input`: 0.cls of 0.png, and in a tar also of
    0.image.png, as WebDataset's keys end at the first dot."""
    key = _stem(entry.key) + suffix
    if key in known or not archives.in_tar(entry.uri):
        return key
    folder, slash, name = entry.key.rpartition("/")
    return folder + slash + name.partition(".")[0] + suffix


def _stem(key: str) -> str:
    """`key` without the suffix of its last part."""
    folder, slash, name = key.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)


def _labels(
    of: dict[str, tuple[Entry, ...]], spec: PrepareSpec
) -> tuple[dict[str, str], Spellings]:
    """The classes that .cls files name."""
    if not spec.label_column or spec.label_file is not None:
        return {}, Spellings()
    classes = {
        key: entries for key, entries in of.items() if any(e.key.endswith(_CLASS) for e in entries)
    }
    with ThreadPoolExecutor(_READ_THREADS) as pool:
        return _named(dict(zip(classes, pool.map(_class, classes.values()), strict=True)))


def _named(cells: dict[str, str]) -> tuple[dict[str, str], Spellings]:
    """Classes by input, of those that have one, and how each was spelled."""
    where = min((key for key, cell in cells.items() if cell.strip().startswith("-")), default="")
    name_of = label_cells.namer(set(cells.values()), f"the file next to {shown(where)}")
    names = {key: name_of(cell) for key, cell in cells.items()}
    spellings = Spellings()
    for key, cell in cells.items():
        spellings.add(cell, names[key])
    return {key: name for key, name in names.items() if name}, spellings


def _class(entries: tuple[Entry, ...]) -> str:
    """The class of one input as it is spelled: `label_name` of its JSON, as `aigc generate` has
    it, else .cls."""
    try:
        for entry in entries:
            if entry.key.endswith(_JSON) and isinstance(_object(entry).get("label_name"), str):
                return str(_object(entry)["label_name"])
        cell = next(_text(entry) for entry in entries if entry.key.endswith(_CLASS))
    except RejectError as reason:
        raise DataError(f"{reason}; expected the name or number of a class") from None
    return cell.replace("\ufeff", "").strip("\r\n")


def _json_label(entries: tuple[Entry, ...], fields: Sequence[str]) -> str:
    """The class of one input as its JSON spells it; empty when it has none that is text or a
    number."""
    for entry in entries:
        with suppress(RejectError):
            said = _object(entry) if entry.key.endswith(_JSON) else {}
            cells = [said[name] for name in fields if said.get(name) is not None]
            if cells:
                return label_cells.text_of(cells[0])
    return ""


def _columns(groups: Iterable[tuple[Entry, ...]], spec: PrepareSpec) -> tuple[str, ...]:
    """The columns that a sample of the side files has."""
    found: set[str] = set()
    for entries in _sample(groups):
        try:
            said = read(entries, spec)
        except RejectError:
            continue
        found |= {name for name in notes.COLUMNS if getattr(said, name) is not None}
    return tuple(name for name in notes.COLUMNS if name in found)


def _lone_class(known: Iterable[str], groups: Collection[tuple[Entry, ...]]) -> str:
    """A .cls next to no input; empty when there is none."""
    used = {entry.key for entries in groups for entry in entries}
    return shown(min((k for k in known if k.endswith(_CLASS) and k not in used), default=""))


def _json_field(groups: Collection[tuple[Entry, ...]], fields: Sequence[str]) -> str:
    """The field of labels that a sample of the JSON files has, as "label in 0.json"."""
    for entry in (one for entries in _sample(groups) for one in entries):
        with suppress(RejectError):
            said = _object(entry) if entry.key.endswith(_JSON) else {}
            if found := next((name for name in fields if said.get(name) is not None), ""):
                return f"{shown(found)} in {shown(entry.key)}"
    return ""


def _sample(groups: Iterable[tuple[Entry, ...]]) -> list[tuple[Entry, ...]]:
    some = list(groups)
    return some[:: max(1, len(some) // _SNIFFED)]


def _object(entry: Entry) -> dict[str, Any]:
    text = _text(entry)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise RejectError(f"{entry.key}: not JSON") from None
    return found if isinstance(found, dict) else {}


def _text(entry: Entry) -> str:
    if entry.size_bytes > _MOST_BYTES:
        raise RejectError(f"{entry.key}: {entry.size_bytes:,} bytes, at most {_MOST_BYTES:,}")
    try:
        return plain_text(archives.read_bytes(entry.uri), entry.key)
    except DataError as error:
        raise RejectError(str(error)) from None
