"""What a file of briefs is, by its name and its first bytes, and how it is opened."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from aigc import storage
from aigc.data.classes import marked_encoding
from aigc.errors import AigcError, SpecError, StorageError

KINDS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
}
"""Readers by what a name ends in; text may be compressed, with `.gz` after it."""

_TITLES = {
    "csv": "CSV",
    "json": "JSON Lines",
    "parquet": "Parquet",
    "xlsx": "an Excel workbook (.xlsx)",
}
_OTHERS = {
    ".txt": "a text file; if it holds a table, rename it to .csv or .tsv",
    ".json": "a JSON file; write JSON Lines, an object a line, as .jsonl",
    ".xls": "an old Excel workbook; save it as .xlsx or .csv",
    ".xlsb": "a binary Excel workbook; save it as .xlsx or .csv",
    ".ods": "an OpenDocument spreadsheet; save it as .xlsx or .csv",
    ".numbers": "a Numbers spreadsheet; export it as .xlsx or .csv",
    ".zip": "a ZIP archive; unpack it",
    ".tar": "a tar archive; unpack it",
    ".tgz": "a tar archive; unpack it",
    ".bz2": "compressed by bzip2; unpack it, or compress it by gzip",
    ".xz": "compressed by xz; unpack it, or compress it by gzip",
    ".zst": "compressed by Zstandard; unpack it, or compress it by gzip",
    ".gz": "compressed by gzip; name it .csv.gz, .tsv.gz or .jsonl.gz",
    ".yaml": "a YAML file; a spec is given with --spec",
    ".yml": "a YAML file; a spec is given with --spec",
    ".feather": "an Arrow file; write Parquet or CSV",
    ".arrow": "an Arrow file; write Parquet or CSV",
    ".sqlite": "a SQLite database; export the table as CSV",
    ".db": "a database; export the table as CSV",
    ".xml": "an XML file; export it as CSV",
    ".html": "a web page; export the table as CSV",
    ".docx": "a Word document; export the table as CSV",
    ".doc": "a Word document; export the table as CSV",
    ".pdf": "a PDF document; export the table as CSV",
    ".png": "a picture",
    ".jpg": "a picture",
    ".jpeg": "a picture",
}
_CONTENTS = (
    (b"PK\x03\x04", "xlsx", "a ZIP file, as Excel workbooks (.xlsx) are"),
    (b"\x1f\x8b", "gzip", "compressed by gzip"),
    (b"PAR1", "parquet", "a Parquet file"),
    (b"\xd0\xcf\x11\xe0", "", "an old Excel workbook (.xls), or one with a password"),
    (b"BZh91AY", "", "compressed by bzip2"),
    (b"\xfd7zXZ\x00", "", "compressed by xz"),
    (b"\x28\xb5\x2f\xfd", "", "compressed by Zstandard"),
    (b"SQLite format 3", "", "a SQLite database"),
    (b"ARROW1", "", "an Arrow file"),
    (b"%PDF", "", "a PDF document"),
    (b"\x89PNG", "", "a picture"),
    (b"\xff\xd8\xff", "", "a picture"),
    (b"{\\rtf", "", "a document in rich text"),
    (b"<!doctype", "", "a web page"),
    (b"<html", "", "a web page"),
    (b"<?xml", "", "an XML file"),
)
_HEAD_BYTES = 1024
_MOST_BYTES = 2**31
"""Of what a compressed file holds."""
_MOST_LINE = 2**24
"""Characters a line may have."""
_BUFFER_BYTES = 2**20


def looks_like_briefs(what: str) -> bool:
    """Whether an argument that may name a model names a file instead."""
    suffix = PurePosixPath(what).suffix.lower()
    if suffix in KINDS or suffix in _OTHERS:
        return True
    with contextlib.suppress(OSError, ValueError):
        path = Path(what)
        return path.exists() and not path.is_dir()
    return False


def kind_of(uri: str) -> str:
    """`csv`, `json`, `parquet` or `xlsx`.

    Raises:
        SpecError: no reader knows its name, its content is of another kind, or nothing is there.
    """
    name = PurePosixPath(uri).name.lower()
    suffix = PurePosixPath(name.removesuffix(".gz")).suffix
    if suffix not in KINDS or (name.endswith(".gz") and KINDS[suffix] not in ("csv", "json")):
        suffix = PurePosixPath(name).suffix
        found = f"{_OTHERS[suffix]}; " if suffix in _OTHERS else ""
        raise SpecError(f"briefs = {uri}: {found}expected a file named {', '.join(KINDS)}")
    if not storage.exists(uri):
        raise SpecError(f"briefs = {uri}: not found; check the path")
    kind = KINDS[suffix]
    with reading(uri) as stream:
        head = stream.read(_HEAD_BYTES)
    _require_kind(uri, kind, head)
    return kind


def _require_kind(uri: str, kind: str, head: bytes) -> None:
    text = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    for begin, found, title in _CONTENTS:
        if found == kind or not (text if begin.startswith(b"<") else head).startswith(begin):
            continue
        if found == "gzip" and kind in ("csv", "json"):
            return
        raise SpecError(f"briefs = {uri}: by its content {title}, not {_TITLES[kind]}")


@contextlib.contextmanager
def reading(uri: str) -> Iterator[Any]:
    """The open file at `uri`; what can be wrong with it is one line.

    Raises:
        SpecError: it is not what its name says. StorageError: it cannot be read.
    """
    try:
        with storage.open_input(uri) as stream:
            yield stream
    except AigcError:
        raise
    except UnicodeError:
        raise SpecError(f"briefs = {uri}: not UTF-8 text; save it as UTF-8") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise SpecError(f"briefs = {uri}: cut off or damaged: its gzip stream ends early") from None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SpecError(f"briefs = {uri}: not a readable Parquet file ({reason})") from None
    except OSError as error:
        raise StorageError(f"{uri}: {error.strerror or error}") from None


@contextlib.contextmanager
def text_lines(uri: str) -> Iterator[Iterator[str]]:
    """The lines of a text file with their ends, in UTF-8 or as its byte order mark says, unpacked
    if it is compressed.

    Raises:
        As `reading`; SpecError for a line or a content too long to be a table's.
    """
    with reading(uri) as stream:
        packed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        plain = _Bounded(uri, gzip.GzipFile(fileobj=stream)) if packed else stream
        buffered = io.BufferedReader(plain, _BUFFER_BYTES)
        encoding = _encoding(uri, buffered.peek(_HEAD_BYTES)[:_HEAD_BYTES])
        yield _lines(uri, io.TextIOWrapper(buffered, encoding=encoding, newline=""))


def _encoding(uri: str, head: bytes) -> str:
    if marked := marked_encoding(head):
        return marked
    if b"\0" in head:
        raise SpecError(
            f"briefs = {uri}: not UTF-8 text: it has zero bytes, as UTF-16 without a byte order "
            "mark; save it as UTF-8"
        )
    return "utf-8"


def _lines(uri: str, text: io.TextIOWrapper) -> Iterator[str]:
    number = 0
    while line := text.readline(_MOST_LINE):
        number += 1
        if len(line) == _MOST_LINE:
            raise SpecError(
                f"briefs = {uri}: line {number} has more than {_MOST_LINE:,} characters; expected "
                "one row a line"
            )
        yield line


class _Bounded(io.RawIOBase):
    """What a compressed file holds, up to a limit: a small file may hold terabytes of nothing."""

    def __init__(self, uri: str, stream: gzip.GzipFile) -> None:
        self._uri, self._stream, self._read = uri, stream, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        self._read += len(data)
        if self._read > _MOST_BYTES:
            raise SpecError(
                f"briefs = {self._uri}: holds more than {_MOST_BYTES:,} bytes; split it"
            )
        buffer[: len(data)] = data
        return len(data)
