"""Tables of users: CSV, JSON Lines and Parquet by column, each row with its number."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from aigc import storage
from aigc.errors import SpecError, StorageError
from aigc.generation.briefs.fields import Reject

_CHUNK_ROWS = 8192
_DELIMITERS = ",;\t"
_READ_BYTES = 2**20
_UNHELD = (ValueError, OverflowError, pa.ArrowException)

Column: TypeAlias = pa.ChunkedArray | list[Any]


@dataclass
class Sheet:
    """Columns as the user wrote them, the number of each row, and the rows that cannot be read."""

    columns: Mapping[str, Column]
    numbers: Sequence[int]
    rejects: list[Reject] = field(default_factory=list)

    def values(self, name: str) -> Iterator[Any]:
        """A column as Python values, a chunk at a time."""
        column = self.columns[name]
        if isinstance(column, list):
            yield from column
        else:
            for chunk in column.chunks:
                yield from chunk.to_pylist()

    def table(self, names: Iterable[str]) -> pa.Table:
        return pa.table({name: _arrow(self.columns[name]) for name in names})


def read_csv(uri: str) -> Sheet:
    """Cells stay the text they are. The delimiter is the one of , ; and tab the header has most.

    Raises:
        SpecError: no header, a column without a name of its own, an unclosed quote, not UTF-8.
    """
    with reading(uri) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        first = text.readline()
        delimiter = max(_DELIMITERS, key=first.count)
        reader = csv.reader(itertools.chain([first], text), delimiter=delimiter, strict=True)
        rows = _csv_rows(reader, uri)
        head = next(rows, [])
        if isinstance(head, str):
            raise SpecError(f"briefs = {uri}: the header is not CSV: {head}")
        header = [name.strip() for name in head]
        _require_names(header, uri)
        rejects: list[Reject] = []
        numbers: list[int] = []
        chunks = list(_csv_chunks(rows, header, numbers, rejects))
    if not chunks:
        return Sheet({name: pa.chunked_array([], pa.string()) for name in header}, [], rejects)
    table = pa.Table.from_batches(chunks)
    return Sheet(dict(zip(header, table.columns, strict=True)), numbers, rejects)


def read_json_lines(uri: str) -> Sheet:
    """Values keep their types; a column of types that do not go together becomes JSON text."""
    columns: dict[str, list[Any]] = {}
    numbers: list[int] = []
    rejects: list[Reject] = []
    for number, found in json_lines(uri):
        if isinstance(found, Reject):
            rejects.append(found)
            continue
        for name, value in found.items():
            if name not in columns:
                columns[name] = [None] * len(numbers)
            columns[name].append(value)
        numbers.append(number)
        if len(found) < len(columns):
            for column in columns.values():
                if len(column) < len(numbers):
                    column.append(None)
    return Sheet(columns, numbers, rejects)


def read_parquet(uri: str) -> Sheet:
    """A value Python cannot hold rejects its row: text not UTF-8, a day beyond the year 9999."""
    with reading(uri) as stream:
        table = pq.ParquetFile(stream).read()
        _require_names(table.column_names, uri)
        columns = {name: _plain(table[name]) for name in table.column_names}
    numbers: Sequence[int] = range(1, len(table) + 1)
    reasons = _unheld(columns)
    if reasons:
        kept = [number for number in numbers if number not in reasons]
        rows = pa.array([number - 1 for number in kept], pa.int64())
        columns, numbers = {name: found.take(rows) for name, found in columns.items()}, kept
    return Sheet(columns, numbers, [Reject(row, None, why) for row, why in reasons.items()])


READERS = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".parquet": read_parquet,
}


def suffix_of(uri: str) -> str:
    """Raises SpecError when no reader knows it, or nothing is there."""
    suffix = PurePosixPath(uri).suffix.lower()
    if suffix not in READERS:
        raise SpecError(f"briefs = {uri}: expected a file named {', '.join(READERS)}")
    if not storage.exists(uri):
        raise SpecError(f"briefs = {uri}: not found; check the path")
    return suffix


def json_lines(uri: str) -> Iterator[tuple[int, dict[str, Any] | Reject]]:
    """(line number, object or why it is none) of every line that is not blank."""
    with reading(uri) as stream:
        buffered = io.BufferedReader(stream, _READ_BYTES)
        for number, line in enumerate(buffered, start=1):
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            if text:
                yield number, _json_object(number, text)


@contextlib.contextmanager
def reading(uri: str) -> Iterator[Any]:
    """The open file at `uri`; what can be wrong with it is one line.

    Raises:
        SpecError: it is not what its name says. StorageError: it cannot be read.
    """
    try:
        with storage.open_input(uri) as stream:
            yield stream
    except UnicodeDecodeError:
        raise SpecError(f"briefs = {uri}: not UTF-8 text; save it as UTF-8") from None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SpecError(f"briefs = {uri}: not a readable Parquet file ({reason})") from None
    except OSError as error:
        raise StorageError(f"{uri}: {error.strerror or error}") from None


def _json_object(number: int, text: str) -> dict[str, Any] | Reject:
    try:
        found = json.loads(text, parse_constant=_no_number)
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()
    except RecursionError:
        return Reject(number, None, "nested too deeply", "invalid_json")
    except ValueError as error:  # half of a surrogate pair is one, too
        return Reject(number, None, f"not JSON: {error}", "invalid_json")
    if not isinstance(found, dict):
        return Reject(number, None, "expected an object like {...}", "invalid_json")
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _csv_chunks(
    rows: Iterable[list[str] | str], header: list[str], numbers: list[int], rejects: list[Reject]
) -> Iterator[pa.RecordBatch]:
    pending: list[list[str]] = []
    width = len(header)
    for row, cells in enumerate(rows, start=1):
        if isinstance(cells, str):
            rejects.append(Reject(row, None, f"not CSV: {cells}"))
        elif len(cells) != width:
            reason = f"{len(cells)} cells, the header has {width}; quote cells with commas"
            rejects.append(Reject(row, None, reason))
        else:
            pending.append(cells)
            numbers.append(row)
            if len(pending) == _CHUNK_ROWS:
                yield _text_batch(header, pending)
                pending = []
    if pending:
        yield _text_batch(header, pending)


def _csv_rows(reader: Any, uri: str) -> Iterator[list[str] | str]:
    """Rows that are not blank, as cells; why one is none, as text."""
    while True:
        line = reader.line_num
        try:
            for cells in reader:
                if cells:
                    yield cells
                line = reader.line_num
            return
        except csv.Error as error:
            if reader.line_num > line + 1 or "end of data" in str(error):
                raise SpecError(
                    f"briefs = {uri}: the quote opened in line {line + 1} is not closed"
                ) from None
            yield str(error)


def _text_batch(header: list[str], rows: list[list[str]]) -> pa.RecordBatch:
    columns = [pa.array(cells, pa.string()) for cells in zip(*rows, strict=True)]
    return pa.RecordBatch.from_arrays(columns, header)


def _require_names(names: Sequence[str], uri: str) -> None:
    if not names:
        raise SpecError(f"briefs = {uri}: empty; expected a header and one row a brief")
    for at, name in enumerate(names):
        if not name:
            raise SpecError(f"briefs = {uri}: column {at + 1} has no name; give it one")
        if name in names[:at]:
            raise SpecError(f"briefs = {uri}: two columns are named {name!r}; rename one")


def _arrow(column: Column) -> pa.ChunkedArray:
    if not isinstance(column, list):
        return column
    try:
        array = pa.array(column)
    except (pa.ArrowException, OverflowError):
        array = None
    if array is None or _unwritable(array.type):
        array = pa.array([None if value is None else _json(value) for value in column], pa.string())
    return pa.chunked_array([array])


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _unwritable(kind: pa.DataType) -> bool:
    """Whether Parquet cannot hold it: null alone, or a struct without fields, at any depth."""
    if pa.types.is_null(kind):
        return True
    inner = [kind.field(at).type for at in range(kind.num_fields)]
    return (pa.types.is_struct(kind) and not inner) or any(map(_unwritable, inner))


def _unheld(columns: Mapping[str, pa.ChunkedArray]) -> dict[int, str]:
    """Rows with a value that Python cannot hold, each with the reason."""
    reasons: dict[int, str] = {}
    for name, column in columns.items():
        try:
            _require_held(column)
        except _UNHELD:
            for row, value in enumerate(column, start=1):
                try:
                    value.as_py()
                except _UNHELD as error:
                    reasons.setdefault(row, f"{name}: cannot be read ({error})")
    return reasons


def _require_held(column: pa.ChunkedArray) -> None:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column.validate(full=True)
    elif pa.types.is_temporal(kind) or pa.types.is_nested(kind):
        for chunk in column.chunks:
            chunk.to_pylist()


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without dictionaries, whose codes differ from file to file, and views, which Arrow cannot
    pick from yet."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}.get(kind, kind)
    return column.cast(plain)
