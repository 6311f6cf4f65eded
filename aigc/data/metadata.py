"""`metadata.csv` and `metadata.jsonl` of a folder of pictures, as Hugging Face's imagefolder has
them: `file_name` relative to the file's own folder, then any columns."""

from __future__ import annotations

import csv
import io
import json
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aigc import storage
from aigc.data import notes
from aigc.data.decode import UnfitError
from aigc.data.notes import NOTHING, Notes
from aigc.errors import DataError
from aigc.specs import PrepareSpec

NAMES = ("metadata.csv", "metadata.jsonl")
_FILE_NAME = "file_name"
_MOST_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Row:
    """What is said of one file; with a `reason` it cannot be used."""

    label: str | None = None
    notes: Notes = NOTHING
    reason: str = ""


@dataclass(frozen=True)
class Metadata:
    rows: dict[str, Row] = field(default_factory=dict)
    """By the picture's key in the source."""
    labelled: bool = False
    """The tables have a column of labels, which counts instead of sub-folders."""
    columns: tuple[str, ...] = ()
    """Those of `notes.COLUMNS` that a table has."""


def read(uri: str, entries: list[storage.Entry], spec: PrepareSpec) -> Metadata:
    """All metadata files among a source's `entries`.

    Raises:
        DataError: one is damaged, has no `file_name`, names a file twice or lacks a column that the
            spec names; or the spec names one and there is no metadata file.
    """
    files = sorted((e for e in entries if is_metadata(e.key)), key=lambda entry: entry.key)
    if not files:
        _need_none(uri, spec)
        return Metadata()
    rows: dict[str, Row] = {}
    columns: set[str] = set()
    labelled = False
    for entry in files:
        folder = posixpath.dirname(entry.key)
        header, lines = _table(entry)
        chosen = notes.choose(spec, header, entry.uri)
        has_label = _has_label(entry, header, spec)
        columns, labelled = columns | set(chosen), labelled or has_label
        for number, line in lines:
            key = _key(folder, line.get(_FILE_NAME), f"{entry.uri}, line {number}")
            if key in rows:
                raise DataError(f"{entry.uri}, line {number}: {key} is listed twice")
            rows[key] = _row(line, chosen, spec.label_column if has_label else "")
    return Metadata(rows, labelled, tuple(name for name in notes.COLUMNS if name in columns))


def is_metadata(key: str) -> bool:
    return posixpath.basename(key) in NAMES


def _need_none(uri: str, spec: PrepareSpec) -> None:
    for name in notes.COLUMNS:
        if getattr(spec, f"{name}_column"):
            raise DataError(
                f"{uri}: {name}_column is set, but there is no metadata.csv or metadata.jsonl"
            )


def _has_label(entry: storage.Entry, header: list[str], spec: PrepareSpec) -> bool:
    if spec.label_column in header:
        return True
    default = PrepareSpec.model_fields["label_column"].default
    if spec.label_column and spec.label_column != default:
        raise DataError(
            f"{entry.uri}: no column {spec.label_column!r}; set label_column to one of "
            f"{', '.join(header)}, or to '' for sub-folders"
        )
    return False


def _row(line: dict[str, Any], columns: dict[str, str], label_column: str) -> Row:
    try:
        label = notes.text(line.get(label_column), "label") if label_column else None
        return Row(label, notes.of_row(line, columns))
    except UnfitError as reason:
        return Row(reason=str(reason))


def _key(folder: str, name: Any, where: str) -> str:
    if not isinstance(name, str) or not name:
        raise DataError(f"{where}: {_FILE_NAME} is missing")
    return posixpath.normpath(posixpath.join(folder, name.encode("utf-8", "replace").decode()))


def _table(entry: storage.Entry) -> tuple[list[str], Iterator[tuple[int, dict[str, Any]]]]:
    """The columns, and each row with its line's number."""
    if entry.size_bytes > _MOST_BYTES:
        raise DataError(f"{entry.uri}: {entry.size_bytes:,} bytes, at most {_MOST_BYTES:,}")
    try:
        text = storage.read_bytes(entry.uri).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{entry.uri}: not UTF-8 at byte {error.start:,}") from None
    if entry.key.endswith(".csv"):
        header, lines = _csv(text, entry.uri)
    else:
        objects = list(_jsonl(text, entry.uri))
        header, lines = list(dict.fromkeys(k for _, row in objects for k in row)), iter(objects)
    if _FILE_NAME not in header:
        found = ", ".join(header[:10]) or "nothing"
        raise DataError(f"{entry.uri}: no column {_FILE_NAME!r}; it has {found}")
    return header, lines


def _csv(text: str, uri: str) -> tuple[list[str], Iterator[tuple[int, dict[str, Any]]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)

    def rows() -> Iterator[list[str]]:
        try:
            yield from reader
        except csv.Error as error:
            raise DataError(f"{uri}, line {reader.line_num}: {error}") from None

    cells = rows()
    header = [name.strip() for name in next(cells, [])]
    if len(set(header)) != len(header):
        raise DataError(f"{uri}: two columns have one name: {', '.join(header[:10])}")

    def lines() -> Iterator[tuple[int, dict[str, Any]]]:
        for row in cells:
            if len(row) not in (0, len(header)):
                raise DataError(
                    f"{uri}, line {reader.line_num}: {len(row)} cells, the header has {len(header)}"
                )
            if row:
                yield reader.line_num, dict(zip(header, row, strict=True))

    return header, lines()


def _jsonl(text: str, uri: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise DataError(f"{uri}, line {number}: not a JSON object")
            yield number, row
