"""Tables that describe inputs: CSV, TSV, JSON lines, Parquet or StyleGAN's `dataset.json`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from aigc.data.classes import plain_text
from aigc.data.layout import parquet_errors
from aigc.errors import DataError, listed, shown
from aigc.modalities import MODALITIES

Lines: TypeAlias = Iterator[tuple[int, dict[str, Any]]]
FILE_NAME = "file_name"
KINDS = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
_OTHER_NAMES = [
    "filename",
    "file",
    "image",
    "image_path",
    "image_name",
    "image_file",
    "img",
    "img_path",
    "audio",
    "audio_path",
    "audio_file",
    "sound",
    "clip",
    "path",
    "filepath",
    "file_path",
]
_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Table:
    """The columns of a table, and each row with the number of its line, from 1."""

    header: list[str]
    lines: Lines
    file_column: str
    """Which column names the input."""


def parse(key: str, data: bytes, where: str, given: bool) -> Table:
    """The table in a file. `given`: the spec names it, so its first column may name the inputs.

    Raises:
        DataError: damaged, of another encoding, without a column of file names, or without rows.
    """
    match PurePosixPath(key).suffix.lower():
        case ".csv" | ".tsv":
            header, lines = _csv(plain_text(data, where), where)
        case ".jsonl":
            header, lines = _columns_of(list(_jsonl(plain_text(data, where), where)))
        case ".json":
            header, lines = _columns_of(list(_json(data, where)))
        case _:
            header, lines = _parquet(data, where)
    return Table(header, lines, _file_column(header, where, given))


def stylegan_labels(data: bytes) -> list[list[Any]] | None:
    """The pairs [file, label] of StyleGAN's `dataset.json`; [] when its labels are null, None when
    `data` is something else."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or "labels" not in found:
        return None
    labels = found["labels"]
    if labels is None:
        return []
    pairs = isinstance(labels, list) and all(isinstance(x, list) and len(x) == 2 for x in labels)
    return labels if pairs else None


def no_header(where: str, first: list[str]) -> DataError:
    """The error of a table whose `first` row names an input."""
    return DataError(
        f"{where}: no header, its first row is {shown(','.join(first)[:80])}; "
        f"put {FILE_NAME},label above the rows"
    )


def named_as_files(column: str) -> bool:
    """Whether a column's name says that it holds file names."""
    return column == FILE_NAME or column.lower() in _OTHER_NAMES


def _file_column(header: list[str], where: str, given: bool) -> str:
    if FILE_NAME in header:
        return FILE_NAME
    others = [name for name in header if name.lower() in _OTHER_NAMES]
    if len(others) == 1 or (others and given):
        return others[0]
    if given and header:
        return header[0]
    found = listed(header) or "nothing"
    raise DataError(f"{where}: no column {FILE_NAME!r}; it has {found}")


def _names_input(cell: str) -> bool:
    """Whether a cell has the suffix of a file that can be read."""
    suffix = PurePosixPath(cell).suffix.lower()
    return any(suffix in modality.source.suffixes for modality in MODALITIES.values())


def _csv(text: str, where: str) -> tuple[list[str], Lines]:
    text = text.replace("\r\n", "\n")
    first, _, rest = text.partition("\n")
    delimiter = ","
    if first.strip().lower().startswith("sep="):  # a line of spreadsheet programs
        delimiter, text = first.strip()[4:5] or ",", rest
    elif "," not in first:
        delimiter = next((mark for mark in _DELIMITERS if mark in first), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    skipped = int(text is rest)

    def rows() -> Iterator[list[str]]:
        try:
            yield from reader
        except csv.Error as error:
            raise DataError(f"{where}, line {reader.line_num + skipped}: {error}") from None

    cells = rows()
    header = [name.strip() for name in next(cells, [])]
    if not any(map(named_as_files, header)) and any(map(_names_input, header)):
        raise no_header(where, header)
    named = [name for name in header if name]
    if len(set(named)) != len(named):
        raise DataError(f"{where}: two columns have one name: {listed(header)}")

    def lines() -> Lines:
        for row in cells:
            if not any(cell.strip() for cell in row):
                continue
            number = reader.line_num + skipped
            if len(row) != len(header):
                raise DataError(
                    f"{where}, line {number}: {len(row)} cells, the header has {len(header)}"
                )
            yield number, dict(zip(header, row, strict=True))

    return header, lines()


def _columns_of(objects: list[tuple[int, dict[str, Any]]]) -> tuple[list[str], Lines]:
    return list(dict.fromkeys(key for _, row in objects for key in row)), iter(objects)


def _jsonl(text: str, where: str) -> Lines:
    if text.lstrip("\ufeff \t\r\n").startswith("["):
        raise DataError(
            f"{where}: begins with [, as a JSON array; write one object a line, without brackets "
            "around them or commas between"
        )
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            row = _loaded(line)
            if not isinstance(row, dict):
                raise DataError(f"{where}, line {number}: not a JSON object")
            yield number, row


def _json(data: bytes, where: str) -> Lines:
    """StyleGAN's pairs, a list of objects, or an object of file names and labels."""
    pairs = stylegan_labels(data)
    if pairs is not None:
        rows: Any = [{FILE_NAME: name, "label": label} for name, label in pairs]
    else:
        rows = _loaded(plain_text(data, where))
        if isinstance(rows, dict):
            rows = [{FILE_NAME: name, "label": label} for name, label in rows.items()]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(
            f'{where}: expected {{"labels": [["a.png", 0], ...]}}, a list of objects or an object '
            "of file names and labels"
        )
    yield from enumerate(rows, 1)


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _parquet(data: bytes, where: str) -> tuple[list[str], Lines]:
    with parquet_errors(where):
        table = pq.read_table(pa.BufferReader(data))
    return list(table.schema.names), iter(enumerate(table.to_pylist(), 1))
