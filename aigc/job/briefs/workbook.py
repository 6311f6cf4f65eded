"""One sheet of an Excel workbook by column. Needs openpyxl: `pip install 'aigc[xlsx]'`."""

from __future__ import annotations

import contextlib
import io
import itertools
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

from aigc.errors import AigcError, SpecError
from aigc.job.briefs.delimited import header_of
from aigc.job.briefs.fields import Reject
from aigc.job.briefs.files import reading
from aigc.job.briefs.sheets import Worksheet, require_header, require_names
from aigc.job.briefs.values import given, text_of

_MOST_BYTES = 2**28
"""Of all that the workbook holds unpacked; texts that cells share are kept in memory at once."""
_WHOLE = 2
"""Rows of content that a sheet of briefs has at least: the header and one brief."""
_NO_VALUE = "a formula without a stored value"
_ERRORS = {"#N/A", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!", _NO_VALUE}

_MERGED = re.compile(rb"<(?:\w+:)?mergeCell [^>]*ref=.([A-Z]+)([0-9]+):([A-Z]+)([0-9]+)")
_HIDDEN = re.compile(rb"<(?:\w+:)?row [^>]*hidden=.(?:1|true)")

Row = tuple[Any, ...]


def read_workbook(uri: str, name: str | None = None) -> Worksheet:
    """The sheet `name`, or the first that is not hidden. Formulas count as the values stored with
    them; a row with an error, or a formula without a value, is a reject.

    Rows are numbered from 1 below the header, those without content among them.

    Raises:
        SpecError: openpyxl is not installed, no such sheet, a damaged or too large workbook, a
            column with content but without a name.
    """
    openpyxl = _library(uri)
    with reading(uri) as stream, _readable(uri):
        data = stream.read(_MOST_BYTES + 1)
        _require_bounded(uri, data)
        values = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheet, notes = _choose(values, uri, name)
        _require_content(uri, sheet, values.worksheets)
        require_header(uri, _numbered(sheet))
        rows: Iterable[Row] = _rows(sheet)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            markup = archive.read(sheet._worksheet_path)
        _require_unmerged(uri, markup)
        if hidden := len(_HIDDEN.findall(markup)):
            notes.append(f"{uri}: {hidden:,} hidden rows of sheet {sheet.title!r} are read, too")
        if b"<f" in markup:
            written = openpyxl.load_workbook(io.BytesIO(data), read_only=True)
            rows = _checked(rows, _rows(written[sheet.title]))
        found = _read(uri, iter(rows))
    found.notes += notes
    return found


def _library(uri: str) -> ModuleType:
    try:
        import openpyxl  # noqa: PLC0415
    except ImportError:
        raise SpecError(
            f"briefs = {uri}: Excel workbooks need openpyxl: pip install 'aigc[xlsx]', or save the "
            "sheet as CSV"
        ) from None
    module: ModuleType = openpyxl
    return module


@contextlib.contextmanager
def _readable(uri: str) -> Iterator[None]:
    """openpyxl raises many kinds over damaged workbooks, and warns of what it leaves out."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (AigcError, MemoryError):
        raise
    except Exception as error:
        reason = (" ".join(str(error).split()) or type(error).__name__)[:200]
        raise SpecError(f"briefs = {uri}: not a readable Excel workbook ({reason})") from None


def _require_zip(uri: str, data: bytes) -> None:
    """Raises SpecError that says what the file looks like instead."""
    if zipfile.is_zipfile(io.BytesIO(data)):
        return
    if data.startswith(b"PK"):
        raise SpecError(
            f"briefs = {uri}: not a readable Excel workbook (.xlsx): cut off or damaged; save or "
            "copy it again"
        )
    raise SpecError(f"briefs = {uri}: not an Excel workbook (.xlsx){_looks(data[:1024])}")


def _looks(head: bytes) -> str:
    if not head.strip():
        return ": it is empty"
    if b"\0" in head or head.decode("utf-8", "replace").count("\ufffd") > 1:
        return "; save the sheet as .xlsx or .csv"
    if head.lstrip().startswith(b"{"):
        return ", but text that looks like JSON Lines; rename it to .jsonl"
    return ", but text; if it holds a table, rename it to .csv or .tsv"


def _require_content(uri: str, sheet: Any, sheets: Sequence[Any]) -> None:
    """Raises SpecError for a sheet without rows below a header; names those that have some."""
    there = _content(sheet)
    others = [one.title for one in sheets if one is not sheet and _content(one) > there]
    if there == _WHOLE or (there and not others):
        return
    hint = "expected a header and one row a brief"
    if others:
        hint = (
            f"for another: --set briefs_sheet=NAME; content is in: {', '.join(map(repr, others))}"
        )
    lacks = "has a header and no rows" if there else "is empty"
    raise SpecError(f"briefs = {uri}: sheet {sheet.title!r} {lacks}; {hint}")


def _content(sheet: Any) -> int:
    """How many rows have content, up to a header and a row below it."""
    return sum(1 for _ in itertools.islice(_numbered(sheet), _WHOLE))


def _numbered(sheet: Any) -> Iterator[tuple[int, Row]]:
    """The rows with content, with their numbers in the sheet."""
    rows = enumerate(_rows(sheet), start=1)
    return ((number, row) for number, row in rows if any(map(_filled, row)))


def _require_bounded(uri: str, data: bytes) -> None:
    """Raises SpecError for a workbook too large, and for what is none."""
    size = len(data)
    if size <= _MOST_BYTES:
        _require_zip(uri, data)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
    if size > _MOST_BYTES:
        raise SpecError(
            f"briefs = {uri}: holds more than {_MOST_BYTES:,} bytes; save the sheet as CSV"
        )


def _require_unmerged(uri: str, markup: bytes) -> None:
    """Raises SpecError where cells of several rows are one: all but its first row seem empty."""
    for merged in _MERGED.finditer(markup):
        if merged[2] != merged[4]:
            cells = b"%s%s:%s%s" % merged.groups()
            raise SpecError(
                f"briefs = {uri}: cells {cells.decode()} are merged over several rows; unmerge "
                "them, and give each row its own value"
            )


def _choose(workbook: Any, uri: str, name: str | None) -> tuple[Any, list[str]]:
    sheets = {sheet.title: sheet for sheet in workbook.worksheets}
    titles = ", ".join(map(repr, sheets))
    if name is not None:
        if name not in sheets:
            raise SpecError(f"briefs_sheet = {name}: {uri} has no such sheet; it has: {titles}")
        return sheets[name], []
    shown = [sheet for sheet in sheets.values() if sheet.sheet_state == "visible"]
    if not shown:
        raise SpecError(f"briefs = {uri}: has no sheet of cells; expected a header and rows")
    if len(sheets) == 1:
        return shown[0], []
    note = (
        f"{uri}: sheet {shown[0].title!r} of {titles} is read; for another: --set briefs_sheet=NAME"
    )
    return shown[0], [note]


def _rows(sheet: Any) -> Iterator[Row]:
    """All of them: what a file says of its own size may be wrong."""
    sheet.reset_dimensions()
    rows: Iterator[Row] = sheet.iter_rows(values_only=True)
    return rows


def _checked(values: Iterable[Row], formulas: Iterable[Row]) -> Iterator[Row]:
    """Rows of values, where a formula without one is an error."""
    for row, written in itertools.zip_longest(values, formulas, fillvalue=()):
        pairs = itertools.zip_longest(row, written)
        yield tuple(_NO_VALUE if cell is None and formula else cell for cell, formula in pairs)


def _read(uri: str, rows: Iterator[Row]) -> Worksheet:
    head = next((row for row in rows if any(map(_filled, row))), ())
    names = header_of(head)
    require_names([name for name in names if name], uri)
    columns: dict[str, list[Any]] = {name: [] for name in names if name}
    sheet = Worksheet(columns, numbers := [])
    for number, row in enumerate(rows, start=1):
        if not any(map(_filled, row)):
            sheet.blank += 1
            continue
        cells = [*row, *[None] * (len(names) - len(row))]
        _require_named(uri, number, names, cells)
        if (at := _error(cells)) is not None:
            sheet.rejects.append(Reject(number, None, f"{names[at]}: the cell has {cells[at]}"))
            continue
        numbers.append(number)
        for name, cell in zip(names, cells, strict=False):
            if name:
                columns[name].append(cell if _filled(cell) else None)
    sheet.columns = {name: _uniform(column) for name, column in columns.items()}
    return sheet


def _filled(cell: Any) -> bool:
    return given(cell) is not None


def _error(cells: Sequence[Any]) -> int | None:
    return next((at for at, cell in enumerate(cells) if cell in _ERRORS), None)


def _require_named(uri: str, number: int, names: Sequence[str], cells: Sequence[Any]) -> None:
    for at, cell in enumerate(cells):
        if _filled(cell) and (at >= len(names) or not names[at]):
            raise SpecError(
                f"briefs = {uri}: column {at + 1} has no name, but row {number} has "
                f"{str(cell)[:40]!r} in it; give it one"
            )


def _uniform(column: list[Any]) -> list[Any]:
    """Cells of one type; as text where types are mixed, which sheets do not prevent."""
    kinds = {type(cell) for cell in column if cell is not None}
    if len(kinds) < 2 or kinds <= {int, float}:
        return column
    return [None if cell is None else text_of(cell) for cell in column]
