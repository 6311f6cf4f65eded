"""CSV and its relatives, as spreadsheets and programs of many countries write them."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from aigc.errors import SpecError
from aigc.job.briefs.fields import Reject
from aigc.job.briefs.files import text_lines
from aigc.job.briefs.sheets import Worksheet, require_few_blank, require_header, require_names
from aigc.job.briefs.unlike import COMMENT
from aigc.job.briefs.values import given, header_name

_CHUNK_ROWS = 8192
_DELIMITERS = ",;\t"
_LOOKED_AT = 10
"""Rows below the first in which a header is looked for."""
_PADDING = _DELIMITERS + '"\ufeff \xa0\r\n'
_SEPARATOR = re.compile(r'\s*"?sep=(.)"?\s*', re.IGNORECASE)
"""The first line by which Excel is told the delimiter."""


def read_csv(uri: str) -> Worksheet:
    """Cells stay the text they are. The delimiter is the one that a first line `sep=;` names, else
    the one of , ; and tab the header has most of.

    Rows are numbered from 1 below the header, those without content among them.

    Raises:
        SpecError: no header, a column with content but without a name, an unclosed quote, or not
            UTF-8.
    """
    with text_lines(uri) as lines:
        delimiter, header_line = _start(lines)
        reader = csv.reader(_again(header_line, lines), delimiter=delimiter, strict=True)
        rows = _rows(reader, uri)
        head = next(rows, [])
        if isinstance(head, str):
            raise SpecError(f"briefs = {uri}: the header is not CSV: {head}")
        near = list(itertools.islice(rows, _LOOKED_AT))
        readable = [head, *(cells for cells in near if not isinstance(cells, str))]
        require_header(uri, enumerate((cells for cells in readable if any(map(given, cells))), 1))
        table = _Table(head, uri)
        for cells in itertools.chain(near, rows):
            table.add(cells)
    return table.sheet(comma=delimiter != ",")


def header_of(cells: Iterable[Any]) -> list[str]:
    """Names of columns, without those that only pad the header's end."""
    names = [header_name(cell) for cell in cells]
    while names and not names[-1]:
        names.pop()
    return names


def _start(lines: Iterator[str]) -> tuple[str, str]:
    """The delimiter, and the line of the header."""
    filled = (line for line in lines if line.strip(_PADDING))
    first = next(filled, "")
    if named := _SEPARATOR.fullmatch(first.rstrip(_PADDING)) or _SEPARATOR.fullmatch(first):
        return named[1], next(filled, "")
    bare = re.sub(r'"[^"]*"', "", first)
    return max(_DELIMITERS, key=bare.count), first


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _rows(reader: Any, uri: str) -> Iterator[list[str] | str]:
    """Each row as cells, or the reason why it is not CSV."""
    while True:
        line = reader.line_num
        try:
            for cells in reader:
                yield cells
                line = reader.line_num
            return
        except csv.Error as error:
            if reader.line_num > line + 1 or "end of data" in str(error):
                raise SpecError(
                    f"briefs = {uri}: the quote opened in line {line + 1} is not closed"
                ) from None
            yield str(error)


class _Table:
    """Rows of text as they come, kept by column."""

    def __init__(self, head: list[str], uri: str) -> None:
        self._uri = uri
        self._names = header_of(head)
        self._empty = [at for at, name in enumerate(self._names) if not name]
        """Columns without a name, which have to be without content."""
        self._header = [name for name in self._names if name]
        require_names(self._header, uri)
        self._row = self._blank = 0
        self._numbers: list[int] = []
        self._rejects: list[Reject] = []
        self._pending: list[list[str]] = []
        self._batches: list[pa.RecordBatch] = []

    def add(self, cells: list[str] | str) -> None:
        self._row += 1
        if isinstance(cells, str):
            self._rejects.append(Reject(self._row, None, f"not CSV: {cells}"))
        elif not any(map(given, cells)):
            self._blank += 1
            require_few_blank(self._blank, self._uri)
        else:
            self._add_row(cells)

    def _add_row(self, cells: list[str]) -> None:
        width = len(self._names)
        if len(cells) > width and not any(map(given, cells[width:])):
            cells = cells[:width]
        if len(cells) != width:
            reason = f"{len(cells)} cells, the header has {width}; quote cells with commas"
            if cells[0].lstrip().startswith("#"):
                reason = COMMENT
            self._rejects.append(Reject(self._row, None, reason))
            return
        if self._empty:
            cells = self._named(cells)
        self._pending.append(cells)
        self._numbers.append(self._row)
        if len(self._pending) == _CHUNK_ROWS:
            self._flush()

    def _named(self, cells: list[str]) -> list[str]:
        for at in self._empty:
            if given(cells[at]):
                raise SpecError(
                    f"briefs = {self._uri}: column {at + 1} has no name, but row {self._row} has "
                    f"{cells[at][:40]!r} in it; give it one"
                )
        return [cell for cell, name in zip(cells, self._names, strict=True) if name]

    def _flush(self) -> None:
        columns = [pa.array(cells, pa.string()) for cells in zip(*self._pending, strict=True)]
        self._batches.append(pa.RecordBatch.from_arrays(columns, self._header))
        self._pending = []

    def sheet(self, comma: bool) -> Worksheet:
        if self._pending:
            self._flush()
        schema = pa.schema([(name, pa.string()) for name in self._header])
        table = pa.Table.from_batches(self._batches, schema)
        columns = dict(zip(self._header, table.columns, strict=True))
        return Worksheet(columns, self._numbers, self._rejects, self._blank, comma)
