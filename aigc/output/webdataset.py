"""Rows of one shard as a tar file that the `webdataset` library reads, and back again.

Item 42 is the consecutive members `000000000042.png` (or what its codec is; .npy if raw),
`000000000042.cls` (its class index, if it has one) and `000000000042.json` (all other columns).
The same rows give the same bytes: no member has a time or an owner.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

from aigc.conditions.label import CLASS
from aigc.modalities import Delivery
from aigc.modalities.delivery import RAW
from aigc.output import items
from aigc.types import Json

_BLOCK = 512
_BUFFER_BYTES = 2**20
_NPY = ".npy"
_NPY_HEADER_BYTES = 10  # magic string, version, length of the rest of the header


class WebDatasetWriter:
    """Appends each row as the members of one item."""

    def __init__(self, file: IO[bytes], delivery: Delivery) -> None:
        self._file, self._delivery = file, delivery

    def write(self, batch: pa.RecordBatch) -> None:
        classes = batch.column(CLASS).to_pylist()
        keys = [f"{index:012d}" for index in batch.column("index").to_pylist()]
        rest = _documents(batch)
        for key, (suffix, data), number, document in zip(
            keys, _members(batch, self._delivery), classes, rest, strict=True
        ):
            self._add(key + suffix, data)
            if number is not None:
                self._add(f"{key}.cls", str(number).encode())
            self._add(f"{key}.json", document)

    def _add(self, name: str, data: bytes) -> None:
        padding = -len(data) % _BLOCK
        self._file.write(b"".join((_header(name, len(data)), data, bytes(padding))))


@contextmanager
def open_writer(path: Path, delivery: Delivery) -> Iterator[WebDatasetWriter]:
    """A writer for the local file `path`; the file is complete once the block is left."""
    with path.open("wb", buffering=_BUFFER_BYTES) as file:
        yield WebDatasetWriter(file, delivery)
        file.write(bytes(2 * _BLOCK))


def read_items(
    source: IO[bytes], wanted: Callable[[int], bool]
) -> Iterator[tuple[Json, bytes, str]]:
    """(other columns, file, its suffix) of the wanted indices, in order.

    A raw item is its values again, without the header of .npy.

    Raises:
        ValueError: `source` is no tar file as `WebDatasetWriter` makes it.
    """
    data, suffix = b"", ""
    for name, size in _entries(source):
        stem, dot, extension = name.partition(".")
        if not wanted(int(stem)):
            source.seek(size + -size % _BLOCK, io.SEEK_CUR)
            continue
        content = source.read(size)
        source.seek(-size % _BLOCK, io.SEEK_CUR)
        if len(content) < size:
            raise ValueError(f"{name} is cut off")
        if extension == "json":
            yield json.loads(content), data, suffix
        elif extension != "cls":
            data, suffix = content, dot + extension
            if suffix == _NPY:
                start = _NPY_HEADER_BYTES + int.from_bytes(content[8:10], "little")
                data, suffix = content[start:], f".{RAW}"


def _entries(source: IO[bytes]) -> Iterator[tuple[str, int]]:
    """Name and size of each member; the caller moves on to the next header."""
    while True:
        header = source.read(_BLOCK)
        if header == bytes(_BLOCK):
            return
        if len(header) < _BLOCK or header[257:262] != b"ustar":
            raise ValueError("no header where a member should begin")
        yield header[: header.index(0)].decode(), int(header[124:135], 8)


_TEMPLATE = (
    bytes(100)  # name
    + b"0000644\0" + b"0000000\0" * 2  # mode, user, group
    + bytes(12)  # size
    + b"00000000000\0" + b" " * 8 + b"0"  # time, checksum, a regular file
    + bytes(100) + b"ustar\00000"  # no link, format and version
).ljust(_BLOCK, b"\0")  # fmt: skip
_TEMPLATE_SUM = sum(_TEMPLATE)


def _header(name: str, size: int) -> bytes:
    """A member's header, POSIX.1-1988 ustar."""
    title, length = name.encode(), b"%011o" % size
    checksum = b"%06o\0 " % (_TEMPLATE_SUM + sum(title) + sum(length))
    return b"".join(
        (
            title.ljust(100, b"\0"),
            _TEMPLATE[100:124],
            length,
            _TEMPLATE[135:148],
            checksum,
            _TEMPLATE[156:],
        )
    )


def _members(batch: pa.RecordBatch, delivery: Delivery) -> list[tuple[str, bytes]]:
    """Suffix and content of each item's file."""
    files, suffixes, raw = items.files(batch), items.suffixes(batch), f".{RAW}"
    found = list(zip(suffixes, files, strict=True))
    if raw not in suffixes:
        return found
    shapes = items.raw_shapes(batch, delivery.side_columns)
    return [
        (_NPY, _npy(data, shape)) if suffix == raw else (suffix, data)
        for (suffix, data), shape in zip(found, shapes, strict=True)
    ]


def _npy(data: bytes, shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.frombuffer(data, np.uint8).reshape(shape))
    return buffer.getvalue()


def _documents(batch: pa.RecordBatch) -> list[bytes]:
    """Every column but the items, as one JSON object a row."""
    held = items.names(batch.schema)
    names = [name for name in batch.schema.names if name not in held]
    row = "{" + ", ".join(json.dumps(name).replace("%", "%%") + ": %s" for name in names) + "}"
    columns = [_json_texts(batch.column(name)) for name in names]
    return [(row % values).encode() for values in zip(*columns, strict=True)]


def _json_texts(column: pa.Array) -> Sequence[str]:
    """Each value as JSON; what JSON has no form for becomes text."""
    if pa.types.is_dictionary(column.type):
        texts = _json_texts(column.dictionary)
        return ["null" if code is None else texts[code] for code in column.indices.to_pylist()]
    values = column.to_pylist()
    if pa.types.is_integer(column.type):
        return ["null" if value is None else str(value) for value in values]
    return [json.dumps(value, default=str) for value in values]
