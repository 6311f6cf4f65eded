"""What tables say of the inputs in a folder: `metadata.csv`, `.jsonl` or `.parquet`, as Hugging
Face's imagefolder has them (`file_name` relative to the file's own folder, then any columns),
StyleGAN's `dataset.json`, or the file that the spec names."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aigc import storage
from aigc.data import archives, label_cells, label_tables, notes
from aigc.data.input_names import InputNames
from aigc.data.label_cells import Spellings
from aigc.data.label_tables import Table
from aigc.data.notes import NOTHING, Notes
from aigc.data.table_columns import label_column, split_cell, split_column, split_role
from aigc.errors import DataError, listed
from aigc.modalities.base import RejectError
from aigc.modalities.prepare_spec import Role
from aigc.specs import PrepareSpec

NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
STYLEGAN = "dataset.json"
_MOST_BYTES = 256 * 2**20


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
    """By the input's key in the source, or by the name of one that is not there."""
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
    spellings: Spellings = field(default_factory=Spellings)
    unread: tuple[str, ...] = ()
    """Columns that are not read, where no column holds classes."""

    @property
    def labels(self) -> dict[str, str]:
        """By the input's key, of those that have one."""
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
    unread: dict[str, None] = {}
    labelled = unlabelled = False
    inputs = InputNames([entry.key for entry in entries])
    for entry in tables:
        where = storage.join(uri, entry.key)
        data = _content(entry, where)
        if posixpath.basename(entry.key) == STYLEGAN and not label_tables.stylegan_labels(data):
            unlabelled = True
            continue
        table = label_tables.parse(entry.key, data, where, bool(spec.label_file))
        _require_header(entry.key, table, inputs, where)
        chosen = notes.choose(spec, table.header, where)
        label = label_column(where, table, spec)
        split = split_column(table.header, spec)
        columns, labelled = columns | set(chosen), labelled or bool(label)
        read_here = {table.file_column, *chosen.values(), label, split}
        unread |= dict.fromkeys(name for name in table.header if name not in read_here)
        for number, line in table.lines:
            at = f"{where}, line {number}"
            key = inputs.find(posixpath.dirname(entry.key), line.get(table.file_column), at)
            if key in rows:
                raise _twice(at, key, places[key])
            places[key] = where, number
            cell = split_cell(line.get(split)) if split else ""
            role = split_role(cell, at, spec)
            if split:
                splits[cell] = role
            rows[key] = _row(line, chosen, label, role)
    if not tables:
        _need_none(uri, spec)
    named = tuple(name for name in notes.COLUMNS if name in columns)
    rows, spellings = _named(rows, f"{uri}: the table of labels")
    files = frozenset(entry.key for entry in tables)
    others = () if labelled or not spec.label_column else tuple(filter(None, unread))
    return Metadata(rows, labelled, named, files, unlabelled, splits, spellings, others)


def _named(rows: dict[str, Row], where: str) -> tuple[dict[str, Row], Spellings]:
    """`rows` with classes in place of label cells, and how each class was spelled."""
    name_of = label_cells.namer({row.label for row in rows.values() if row.label}, where)
    spellings = Spellings()
    named = {}
    for key, row in rows.items():
        label = name_of(row.label) if row.label else None
        if row.label:
            spellings.add(row.label, label or "")
        named[key] = row if label == row.label else replace(row, label=label or None)
    return named, spellings


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


def _require_header(key: str, table: Table, inputs: InputNames, where: str) -> None:
    """Raises DataError when the names of a CSV's columns are an input and its label."""
    column = table.file_column
    if not key.lower().endswith((".csv", ".tsv")) or label_tables.named_as_files(column):
        return
    if inputs.has(posixpath.dirname(key), column):
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


def _row(
    line: dict[str, Any], columns: dict[str, str], label_column: str, role: Role | None
) -> Row:
    """A row whose label is still spelled as in its cell."""
    try:
        label = label_cells.text_of(line.get(label_column)) if label_column else None
        return Row(label or None, notes.of_row(line, columns), role=role)
    except RejectError as reason:
        return Row(reason=str(reason), role=role)
