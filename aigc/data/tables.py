"""Parquet as a source: a column of encoded items, a column of labels, any number of files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aigc import storage
from aigc.data import archives, label_columns, notes, split_columns
from aigc.data.classes import counted
from aigc.data.entries import Entries
from aigc.data.folder_reading import split_cells
from aigc.data.kinds import source_of
from aigc.data.label_columns import LabelColumn, is_text
from aigc.data.label_tables import named_as_files
from aigc.data.layout import parquet_errors
from aigc.data.sources import (
    CHUNK_BYTES,
    Chunk,
    Input,
    RawSource,
    chunk_items,
)
from aigc.data.split_columns import SplitColumn
from aigc.data.structure import UNUSED, file_roles
from aigc.errors import DataError, listed, shown
from aigc.modalities.base import RejectError
from aigc.modalities.prepare_spec import Role
from aigc.specs import PrepareSpec

NOT_PARQUET = "not a Parquet file"
REPORT = "report of a prepared set"
_PATHS = (
    "; of paths alone, put the table as metadata.parquet, with columns file_name and label, above "
    "the files: their folder is then the source"
)
REPORTS = {"rejects.parquet", "duplicates.parquet"}


@dataclass(frozen=True)
class TableChunk:
    """Consecutive row groups of one file; ids are the file's key and the row's number."""

    uri: str
    key: str
    groups: tuple[int, ...]
    first_row: int
    split: SplitColumn
    names: tuple[str, ...]
    labels: LabelColumn | None
    texts: dict[str, str]
    """Which column holds a caption, a licence, a creator."""

    def items(self, spec: PrepareSpec) -> Iterator[Input]:
        columns = [spec.item_column, spec.label_column, self.split.name, *self.texts.values()]
        columns = list(dict.fromkeys(filter(None, columns)))
        index = {name: number for number, name in enumerate(self.names)}
        row = self.first_row
        with parquet_errors(self.uri), archives.open_input(self.uri) as stream:
            batches = pq.ParquetFile(stream).iter_batches(
                min(256, chunk_items(spec)), list(self.groups), columns
            )
            for batch in batches:
                texts = {name: batch.column(name).to_pylist() for name in self.texts.values()}
                labels: list[Any] = [0] * len(batch)
                if spec.label_column:
                    labels = batch.column(spec.label_column).to_pylist()
                roles = self._roles(batch)
                encoded = batch.column(spec.item_column)
                for at, (value, label, role) in enumerate(zip(encoded, labels, roles, strict=True)):
                    if role != "ignore":
                        number = self._number(label, index)
                        said = {name: texts[column][at] for name, column in self.texts.items()}
                        id = f"{self.key}:{row + at:08d}"
                        yield _item(id, value, number, said, role == "test", spec)
                row += len(batch)

    def _roles(self, batch: pa.RecordBatch) -> list[Role]:
        if not self.split.name:
            return [self.split.file_role] * len(batch)
        return [self.split.role(cell) for cell in batch.column(self.split.name).to_pylist()]

    def _number(self, label: Any, index: dict[str, int]) -> int | str:
        """The class of a cell, or the reason why it has none."""
        if self.labels is None:
            return 0
        name = self.labels.name(label)
        if name is not None:
            return index[name]
        known = len(self.labels.names)
        if label is not None and known:
            return f"label {label} is not one of the {known} classes"
        said = isinstance(label, str) and label.strip()
        return f"no label: the cell says {label.strip()!r}" if said else "no label"


def _item(
    id: str,
    value: Any,
    label: int | str,
    said: dict[str, Any],
    test: bool,
    spec: PrepareSpec,
) -> Input:
    try:
        if isinstance(label, str):
            raise RejectError(label)
        texts = notes.of_row(said, {name: name for name in said})
        item = source_of(spec).read(_encoded(value, spec), spec)
        return Input(id, label, test, item, notes=texts)
    except RejectError as reason:
        return Input(id, label if isinstance(label, int) else 0, test, None, str(reason))


def _encoded(value: Any, spec: PrepareSpec) -> bytes:
    """The bytes of a cell: binary, or Hugging Face's struct<bytes, path>."""
    found = value.as_py()
    path = None
    if isinstance(found, dict):
        path, found = found.get("path"), found.get("bytes")
    if found is None:
        none = f"no {source_of(spec).noun} bytes"
        raise RejectError(f"{none}, only the path {path[:80]!r}" if path else none)
    return bytes(found)


def open_tables(uri: str, found: Entries, spec: PrepareSpec) -> RawSource:
    """One Parquet file or a folder of them; files or folders named train and test keep a split."""
    files = sorted(found.ignored.keep(found.files, _reason_to_ignore), key=lambda entry: entry.key)
    roles = file_roles(uri, [entry.key for entry in files], spec)
    for entry, role in zip(files, roles, strict=True):
        if role == "ignore":
            found.ignored.add(UNUSED, entry.key)
    used = [pair for pair in zip(files, roles, strict=True) if pair[1] != "ignore"]
    files, sides = [entry for entry, _ in used], [role for _, role in used]
    heads = [_head(entry.uri, spec) for entry in files]
    uris, schemas = [e.uri for e in files], [head.schema.to_arrow_schema() for head in heads]
    if set(sides) == {"test"}:  # one file alone that is named as a split
        sides = ["train"] * len(sides)
    splits = split_columns.read(uris, heads, sides, spec)
    labels = label_columns.read(uris, schemas, spec)
    texts = [_texts(entry.uri, head, spec) for entry, head in zip(files, heads, strict=True)]
    chunks: list[Chunk] = []
    for at, (entry, split, head, said) in enumerate(zip(files, splits, heads, texts, strict=True)):
        found.ignored.entries += [(entry.key, UNUSED)] * split.rows.get("ignore", 0)
        column = labels.columns[at] if labels.columns else None
        for first_row, groups in _groups(head, spec):
            place = (entry.uri, entry.key, groups, first_row)
            chunks.append(TableChunk(*place, split, labels.names, column, said))
    rows = sum((Counter(split.rows) for split in splits), Counter[Role]())
    total = rows["train"] + rows["test"]
    if files and not total:
        none = f"{uri}: no rows in {len(files):,} Parquet files"
        raise DataError(f"{none}; expected one {source_of(spec).noun} a row")
    size_bytes = sum(entry.size_bytes for entry in files)
    columns = tuple(name for name in notes.COLUMNS if any(name in said for said in texts))
    return RawSource(
        labels.names,
        rows["test"] > 0,
        total,
        size_bytes,
        chunks,
        columns=columns,
        reading="; ".join([_reading(files, splits, labels.names, spec), *labels.spellings.told]),
    )


def _reading(
    files: list[storage.Entry],
    splits: list[SplitColumn],
    labels: tuple[str, ...],
    spec: PrepareSpec,
) -> str:
    names = [shown(name) for name in labels]
    parts = [f"{counted(len(names))} ({listed(names, 5)}) from column {spec.label_column!r}"]
    parts = parts if names else ["no classes"]
    sides = [split.file_role for split in splits]
    if "test" in sides:
        tested = [entry.key for entry, side in zip(files, sides, strict=True) if side == "test"]
        parts.append(f"splits: {listed([shown(key) for key in tested], 3)} to test on")
    if cells := split_columns.cells(splits):
        parts.append(split_cells(cells, by_folder="test" in sides))
    count = "1 Parquet file" if len(files) == 1 else f"{len(files):,} Parquet files"
    return "; ".join([count, *parts])


def _texts(uri: str, head: pq.FileMetaData, spec: PrepareSpec) -> dict[str, str]:
    """Which column holds which text; one that is only guessed has to be of text."""
    schema = head.schema.to_arrow_schema()
    chosen = notes.choose(spec, schema.names, uri)
    kinds = {name: schema.field(column).type for name, column in chosen.items()}
    wrong = {name for name, kind in kinds.items() if not is_text(kind)}
    for name in wrong:
        if getattr(spec, f"{name}_column") is not None:
            raise DataError(f"{uri}: column {chosen[name]!r} is {kinds[name]}; expected text")
    return {name: column for name, column in chosen.items() if name not in wrong}


def _reason_to_ignore(key: str) -> str:
    if not key.endswith(".parquet"):
        return NOT_PARQUET
    return REPORT if PurePosixPath(key).name in REPORTS else ""


def _head(uri: str, spec: PrepareSpec) -> pq.FileMetaData:
    with parquet_errors(uri), archives.open_input(uri) as stream:
        head = pq.ParquetFile(stream).metadata
    schema = head.schema.to_arrow_schema()
    for field, column in (
        (spec.column_field, spec.item_column),
        ("label_column", spec.label_column),
    ):
        if column and column not in schema.names:
            none = " or to '' if there are none" if field == "label_column" else ""
            if field == spec.column_field and not any(_holds_bytes(one.type) for one in schema):
                none = _PATHS if any(map(named_as_files, schema.names)) else ""
            raise DataError(
                f"{uri}: no column {column!r}; set {field} to one of {listed(schema.names)}{none}"
            )
    kind = schema.field(spec.item_column).type
    if not _holds_bytes(kind):
        raise DataError(
            f"{uri}: column {spec.item_column!r} is {kind}; expected binary or struct<bytes, path>"
            f"{_PATHS if _holds_paths(kind) else ''}"
        )
    return head


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        position = kind.get_field_index("bytes")
        return position >= 0 and _holds_bytes(kind.field(position).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _holds_paths(kind: pa.DataType) -> bool:
    return is_text(kind) or (pa.types.is_struct(kind) and kind.get_field_index("path") >= 0)


def _groups(head: pq.FileMetaData, spec: PrepareSpec) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(first row, row groups) of each chunk: whole groups up to a chunk's items and bytes."""
    first = row = size_bytes = 0
    part: list[int] = []
    for number in range(head.num_row_groups):
        group = head.row_group(number)
        full = row - first + group.num_rows > chunk_items(spec)
        if part and (full or size_bytes + group.total_byte_size > CHUNK_BYTES):
            yield first, tuple(part)
            part, first, size_bytes = [], row, 0
        part.append(number)
        row += group.num_rows
        size_bytes += group.total_byte_size
    if part:
        yield first, tuple(part)
