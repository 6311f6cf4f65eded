"""Tables as people bring them, made by code, and what is right for each."""

from __future__ import annotations

import gzip
import io
import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aigc.job.briefs import Reading

Rows = list[list[Any]]


@dataclass(frozen=True)
class Table:
    """One file of briefs.

    Attributes:
        name: of the file, whose suffix counts.
        data: its bytes, or a function that makes them.
        options: of the spec, beyond the model and the place.
        made: (count, labels) of each brief; a label is the name of the first item's.
        blank: rows that are ignored.
        rejects: a pattern for the reason of each rejected row, by its number.
        refused: a pattern for the one line that refuses the file.
        own: the user's own columns.
        note: a pattern for a line that the user reads before the job starts.
    """

    id: str
    name: str
    data: bytes | Callable[[], bytes]
    options: dict[str, Any] = field(default_factory=dict)
    made: list[tuple[int, str]] | None = None
    blank: int = 0
    rejects: dict[int, str] = field(default_factory=dict)
    refused: str | None = None
    own: tuple[str, ...] | None = None
    note: str | None = None

    def bytes(self) -> bytes:
        return self.data() if callable(self.data) else self.data


def csv(*lines: str, end: str = "\n", encoding: str = "utf-8") -> bytes:
    return "".join(line + end for line in lines).encode(encoding)


def json_lines(*rows: dict[str, Any] | str) -> bytes:
    texts = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    return csv(*texts)


def parquet(columns: dict[str, Any]) -> Callable[[], bytes]:
    def make() -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = io.BytesIO()
        pq.write_table(pa.table(columns), sink)
        return sink.getvalue()

    return make


def workbook(
    *sheets: tuple[str, Rows], hidden: tuple[str, ...] = (), merged: str = ""
) -> Callable[[], bytes]:
    def make() -> bytes:
        import openpyxl

        book = openpyxl.Workbook()
        book.remove(book.active)
        for title, rows in sheets:
            sheet = book.create_sheet(title)
            for row in rows:
                sheet.append(row)
            if title in hidden:
                sheet.sheet_state = "hidden"
            if merged:
                sheet.merge_cells(merged)
        sink = io.BytesIO()
        book.save(sink)
        return sink.getvalue()

    return make


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def first_labels(reading: Reading, names: tuple[str, ...]) -> list[tuple[int, str]]:
    """(count, name of the first item's label) of each brief."""
    briefs = reading.briefs
    labels = briefs.keys(np.asarray(briefs.starts[:-1])).conditions["label"]
    return [
        (count, names[label])
        for count, label in zip(briefs.table["count"].to_pylist(), labels.tolist(), strict=True)
    ]


PLAIN = csv("label,count", "two,3", "one,1")
MADE = [(3, "two"), (1, "one")]
NFD = unicodedata.normalize("NFD", "Café")
