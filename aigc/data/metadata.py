"""What tables say of the pictures in a folder: `metadata.csv`, `.jsonl` or `.parquet`, as Hugging
Face's imagefolder has them (`file_name` relative to the file's own folder, then any columns),
StyleGAN's `dataset.json`, or the file that the spec names."""

from __future__ import annotations

import math
import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from aigc import storage
from aigc.data import archives, label_tables, notes
from aigc.data.classes import class_name
from aigc.data.decode import UnfitError
from aigc.data.label_tables import Table
from aigc.data.notes import NOTHING, Notes
from aigc.data.structure import role_of
from aigc.errors import DataError, listed
from aigc.specs import PrepareSpec
from aigc.specs.prepare import Role

NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
STYLEGAN = "dataset.json"
_MOST_BYTES = 256 * 2**20
_LIKE_LABEL = {
    "label",
    "labels",
    "class",
    "classes",
    "category",
    "categories",
    "class_name",
    "class_id",
    "label_name",
    "label_id",
    "lable",
    "lables",
    "target",
    "targets",
    "klass",
    "cls",
}
_SPLIT_COLUMNS = ("split", "subset", "partition")


@dataclass(frozen=True)
class Row:
    """What is said of one file; with a `reason` it cannot be used."""

    label: str | None = None
    notes: Notes = NOTHING
    reason: str = ""
    role: Role | None = None
    """By a column of splits."""


@dataclass(frozen=True)
class Metadata:
    rows: dict[str, Row] = field(default_factory=dict)
    """By the picture's key in the source, or by the name of one that is not there."""
    labelled: bool = False
    """The tables have a column of labels, which counts instead of sub-folders."""
    columns: tuple[str, ...] = ()
    """Those of `notes.COLUMNS` that a table has."""
    files: frozenset[str] = frozenset()
    """Keys of the tables."""
    unlabelled: bool = False
    """StyleGAN's `dataset.json` says that there are no labels, so folders are not classes."""
    splits: Mapping[str, Role | None] = field(default_factory=dict)
    """What each cell of a column of splits means; "" stands for empty cells."""

    @property
    def labels(self) -> dict[str, str]:
        """By the picture's key, of those that have one."""
        return {key: row.label for key, row in self.rows.items() if row.label}


def read(uri: str, entries: Sequence[storage.Entry], spec: PrepareSpec) -> Metadata:
    """All tables among a source's `entries`.

    Raises:
        DataError: one is damaged, names no files, names a file twice or lacks a column that the
            spec names; or the spec names a table or a column and there is none.
    """
    tables = _tables(uri, entries, spec)
    rows: dict[str, Row] = {}
    places: dict[str, tuple[str, int]] = {}
    splits: dict[str, Role | None] = {}
    columns: set[str] = set()
    labelled = unlabelled = False
    pictures = _Pictures([entry.key for entry in entries])
    for entry in tables:
        where = storage.join(uri, entry.key)
        data = _content(entry, where)
        if posixpath.basename(entry.key) == STYLEGAN and not label_tables.stylegan_labels(data):
            unlabelled = True
            continue
        table = label_tables.parse(entry.key, data, where, bool(spec.label_file))
        _require_header(entry.key, table, pictures, where)
        chosen = notes.choose(spec, table.header, where)
        label = _label_column(where, table, spec)
        split = _split_column(table, spec)
        columns, labelled = columns | set(chosen), labelled or bool(label)
        for number, line in table.lines:
            at = f"{where}, line {number}"
            key = pictures.find(posixpath.dirname(entry.key), line.get(table.file_column), at)
            if key in rows:
                raise _twice(at, key, places[key])
            places[key] = where, number
            cell = _cell(line.get(split)) if split else ""
            role = _role(cell, at, spec)
            if split:
                splits[cell] = role
            rows[key] = _row(line, chosen, label, role)
    if not tables:
        _need_none(uri, spec)
    named = tuple(name for name in notes.COLUMNS if name in columns)
    return Metadata(rows, labelled, named, frozenset(e.key for e in tables), unlabelled, splits)


class _Pictures:
    """Finds a picture by what a table calls it."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = set(keys)
        self._composed = {unicodedata.normalize("NFC", key): key for key in keys}
        self._by_end: dict[str, list[str]] = defaultdict(list)

    def find(self, folder: str, name: Any, where: str) -> str:
        """The key of the picture, or `name` below the table's folder when there is none.

        Raises DataError: no name, or several pictures have it.
        """
        if isinstance(name, int) and not isinstance(name, bool):
            name = str(name)
        if not isinstance(name, str) or not name.strip():
            raise DataError(f"{where}: {label_tables.FILE_NAME} is missing")
        called: str = name.strip().encode("utf-8", "replace").decode()
        spelled = [posixpath.join(folder, called), called]
        if "\\" in called:
            spelled += [one.replace("\\", "/") for one in spelled]
        for one in spelled:
            key = posixpath.normpath(one)
            if key in self._keys:
                return key
            if (composed := unicodedata.normalize("NFC", key)) in self._composed:
                return self._composed[composed]
        return self._by_name(called, where) or posixpath.normpath(spelled[0])

    def has(self, folder: str, name: str) -> bool:
        """Whether `name` is that of one or more pictures."""
        try:
            return bool(name) and self.find(folder, name, "") in self._keys
        except DataError:
            return True

    def _by_name(self, name: str, where: str) -> str:
        """By the end of the path: as Kaggle's tables have it, without folder or without suffix."""
        if not self._by_end:
            for key in sorted(self._keys):
                base = PurePosixPath(key)
                for end in {base.name, base.stem}:
                    self._by_end[end].append(key)
        found = self._by_end.get(name, []) if "/" not in name else []
        if len(found) > 1:
            raise DataError(f"{where}: {name} may be {listed(found, 3)}; write the path")
        return found[0] if found else ""


def _tables(uri: str, entries: Sequence[storage.Entry], spec: PrepareSpec) -> list[storage.Entry]:
    if spec.label_file is None:
        found = [entry for entry in entries if _is_table(entry)]
        return sorted(found, key=lambda entry: entry.key)
    if not spec.label_file:
        return []
    key = spec.label_file.removeprefix("./")
    if not any(entry.key == key for entry in entries):  # as a path from here
        key = storage.absolute(key).removeprefix(f"{uri}/")
    if not key.lower().endswith(label_tables.KINDS):
        raise DataError(
            f"label_file = {spec.label_file!r}: expected one of {listed(label_tables.KINDS)}"
        )
    found = [entry for entry in entries if entry.key == key]
    if not found:
        raise DataError(
            f"label_file = {spec.label_file!r}: not in {uri}; give its path below the source"
        )
    return found


def _is_table(entry: storage.Entry) -> bool:
    name = posixpath.basename(entry.key)
    if name == STYLEGAN and entry.size_bytes <= _MOST_BYTES:
        return label_tables.stylegan_labels(archives.read_bytes(entry.uri)) is not None
    return name in NAMES


def _content(entry: storage.Entry, where: str) -> bytes:
    if entry.size_bytes > _MOST_BYTES:
        raise DataError(f"{where}: {entry.size_bytes:,} bytes, at most {_MOST_BYTES:,}")
    return archives.read_bytes(entry.uri)


def _require_header(key: str, table: Table, pictures: _Pictures, where: str) -> None:
    """Raises DataError when the names of a CSV's columns are a picture and its label."""
    column = table.file_column
    if not key.lower().endswith((".csv", ".tsv")) or label_tables.named_as_files(column):
        return
    if pictures.has(posixpath.dirname(key), column):
        raise label_tables.no_header(where, table.header)


def _twice(at: str, key: str, first: tuple[str, int]) -> DataError:
    file, number = first
    return DataError(
        f"{at}: {key} is listed twice, first in {file}, line {number}; leave one out, or name the "
        "table that counts as label_file"
    )


def _need_none(uri: str, spec: PrepareSpec) -> None:
    for name in notes.COLUMNS:
        if getattr(spec, f"{name}_column"):
            raise DataError(
                f"{uri}: {name}_column is set, but there is no metadata.csv or metadata.jsonl"
            )


def _label_column(where: str, table: Table, spec: PrepareSpec) -> str:
    """The column of classes; empty when there is none.

    Raises:
        DataError: not the one that the spec names, or one that may be meant.
    """
    column, header = spec.label_column, table.header
    if not column or column in header:
        return column
    if column != PrepareSpec.model_fields["label_column"].default:
        raise DataError(
            f"{where}: no column {column!r}; set label_column to one of "
            f"{listed(header)}, or to '' for sub-folders"
        )
    others = [name for name in header if name != table.file_column]
    like = [name for name in others if name.lower().replace(" ", "_") in _LIKE_LABEL]
    if spec.label_file and len(like or others) == 1:
        return (like or others)[0]
    if like or spec.label_file:
        meant = like or others
        raise DataError(
            f"{where}: no column 'label', but {listed(meant)}; set label_column to the one that "
            "holds the classes, or to '' for sub-folders"
        )
    return ""


def _split_column(table: Table, spec: PrepareSpec) -> str:
    if spec.splits is not None and not spec.splits:
        return ""
    return next((name for name in table.header if name.lower() in _SPLIT_COLUMNS), "")


def _cell(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _role(value: str, where: str, spec: PrepareSpec) -> Role | None:
    if not value:
        return None
    role = role_of(value, spec.splits)
    if role is None:
        raise DataError(
            f"{where}: split {value!r} is not known; say --set 'splits={{{value}: train}}' (or "
            "test or ignore), or --set 'splits={}' to leave the column unread"
        )
    return role


def _row(
    line: dict[str, Any], columns: dict[str, str], label_column: str, role: Role | None
) -> Row:
    try:
        label = notes.text(_whole(line.get(label_column)), "label") if label_column else None
        return Row(class_name(label) if label else None, notes.of_row(line, columns), role=role)
    except UnfitError as reason:
        return Row(reason=str(reason), role=role)


def _whole(value: Any) -> Any:
    """A number as it was meant: pandas writes whole numbers as floats where some are missing."""
    if isinstance(value, float):
        return None if math.isnan(value) else int(value) if value.is_integer() else value
    return value
