"""ZIP and tar files as folders: their members are listed, then each is read from where it lies.

Only compressed tars are unpacked, see `packed_tars`. A member's URI is that of its archive and
where its bytes are.
"""

from __future__ import annotations

import contextlib
import errno
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from aigc import storage
from aigc.data import packed_tars
from aigc.data.entries import TWICE
from aigc.errors import DataError
from aigc.modalities.base import RejectError

_ZIP = (".zip",)
_TAR = (".tar",)
_OTHER = (".7z", ".rar", ".tar.zst", ".tzst")
_MARK = "\0"
_ENCRYPTED = 0x1
_UTF8 = 0x800
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_LOCAL_HEADER_BYTES = 30
_MOST_HELD = 2**31
"""Of a member that is read whole."""


def is_archive(uri: str) -> bool:
    return uri.lower().endswith((*_ZIP, *_TAR, *_OTHER)) or packed_tars.is_packed(uri)


def stem(key: str) -> str:
    """The name of an archive without its suffix, of one part or two."""
    name = PurePosixPath(key).name
    for suffix in packed_tars.SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return PurePosixPath(name).stem


def entries(uri: str, modified_s: float, prefix: str = "") -> list[storage.Entry]:
    """The members of the archive `uri`, each key with `prefix` before it; those that cannot be read
    have a problem. Of equal keys the last counts, as in unpacking.

    Raises:
        DataError: damaged, or of a kind that cannot be read in parts.
    """
    if uri.lower().endswith(_OTHER):
        raise DataError(
            f"{uri}: cannot be read in parts; unpack it into a folder, or pack it as .zip or .tar"
        )
    try:
        found = [
            storage.Entry(member_uri, prefix + key, size_bytes, modified_s, problem)
            for member_uri, key, size_bytes, problem in _members(uri, str(modified_s))
        ]
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError) as error:
        line = " ".join(str(error).split())
        raise DataError(f"{uri}: a damaged archive ({line}); copy or pack it again") from None
    last = {entry.key: number for number, entry in enumerate(found)}
    return [
        entry if last[entry.key] == number else replace(entry, problem=TWICE)
        for number, entry in enumerate(found)
    ]


def _members(uri: str, modified: str) -> Iterator[tuple[str, str, int, str]]:
    """(URI, key, size, problem) of each member."""
    if packed_tars.is_packed(uri):
        stream = packed_tars.unpacked(uri, modified)
        stream.seek(0)
        yield from _tar_members(uri, stream, modified)
        return
    listed = _zip_members if uri.lower().endswith(_ZIP) else _tar_members
    with closing(storage.open_input(uri)) as opened:
        yield from listed(uri, _Stream(opened))


def in_tar(uri: str) -> bool:
    """Whether `uri` is that of a member of a tar."""
    return f"{_MARK}tar{_MARK}" in uri


def read_bytes(uri: str) -> bytes:
    """The content of a file, or of a member of an archive.

    Raises:
        RejectError: the member is damaged.
        StorageError: the file cannot be read.
    """
    if _MARK not in uri:
        return storage.read_bytes(uri)
    archive, kind, *numbers = uri.split(_MARK)
    if packed_tars.is_packed(archive):
        place, count, modified = numbers
        data = packed_tars.read(archive, modified, int(place), int(count))
        if len(data) != int(count):
            raise RejectError("cut off in the archive")
        return data
    with closing(storage.open_input(archive)) as stream:
        if kind == "tar":
            start, size_bytes = map(int, numbers)
            return _exactly(stream, start, size_bytes)
        return _zip_content(stream, *map(int, numbers))


class _Stream(io.RawIOBase):
    """A stream of Arrow's as `zipfile` and `tarfile` expect one."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return int(self._stream.seek(offset, whence))
        except ValueError:
            raise OSError(errno.EINVAL, "before the start") from None

    def tell(self) -> int:
        return int(self._stream.tell())

    def read(self, size: int = -1) -> bytes:
        return bytes(self._stream.read(None if size < 0 else size))


def open_input(uri: str) -> Any:
    """A file, or a member of an archive, to read in any order; a member is held in memory.

    Raises:
        DataError: a member that is too large for that, or damaged.
    """
    if _MARK not in uri:
        return storage.open_input(uri)
    where, _, *numbers = uri.split(_MARK)
    if any(int(number) > _MOST_HELD for number in numbers[1:3] if number.isdecimal()):
        raise DataError(
            f"{where}: holds a table of more than {_MOST_HELD:,} bytes; unpack it into a folder"
        )
    try:
        data = read_bytes(uri)
    except RejectError as reason:
        raise DataError(f"{where}: {reason}; copy or pack it again") from None
    return pa.BufferReader(data)


def _tar_members(uri: str, stream: Any, modified: str = "") -> Iterator[tuple[str, str, int, str]]:
    """`modified` is part of the URIs where it is given."""
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        for member in archive:
            key = _key(member.name)
            if member.isdir() or not key:
                continue
            if not _is_utf8(member.name.rpartition("/")[0]):
                yield uri, key, 0, "in a folder whose name is not UTF-8"
            elif member.issym() or member.islnk():
                yield uri, key, 0, "link inside an archive, not followed"
            elif not member.isreg() or member.issparse():
                yield uri, key, 0, "not a plain file"
            else:
                numbers = filter(None, (str(member.offset_data), str(member.size), modified))
                yield _MARK.join((uri, "tar", *numbers)), key, member.size, ""

    stream.seek(-tarfile.BLOCKSIZE, io.SEEK_END)
    if any(stream.read(tarfile.BLOCKSIZE)):
        raise tarfile.ReadError("cut off: it has no end mark")


def _zip_members(uri: str, stream: Any) -> Iterator[tuple[str, str, int, str]]:
    with zipfile.ZipFile(stream) as archive:
        for member in archive.infolist():
            key = _key(_zip_name(member))
            if member.is_dir() or not key:
                continue
            yield _zip_place(uri, member), key, member.file_size, _zip_problem(member)


def _zip_name(member: zipfile.ZipInfo) -> str:
    """A member's name. Programs write UTF-8 without saying so, which is then not code page 437."""
    if not member.flag_bits & _UTF8:
        with contextlib.suppress(UnicodeError):
            return member.filename.encode("cp437").decode()
    return member.filename


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _zip_problem(member: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "link inside an archive, not followed"
    if kind not in (0, stat.S_IFREG):
        return "not a plain file"
    if member.flag_bits & _ENCRYPTED:
        return "encrypted"
    return "" if member.compress_type in _METHODS else "compressed by a method other than deflate"


def _zip_place(uri: str, member: zipfile.ZipInfo) -> str:
    numbers = (
        member.header_offset,
        member.compress_size,
        member.file_size,
        member.compress_type,
        member.CRC,
    )
    return _MARK.join((uri, "zip", *map(str, numbers)))


def _zip_content(
    stream: Any, header: int, packed_bytes: int, size_bytes: int, method: int, check: int
) -> bytes:
    fixed = _exactly(stream, header, _LOCAL_HEADER_BYTES)
    name_bytes, extra_bytes = struct.unpack_from("<HH", fixed, 26)
    start = header + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes
    data = _exactly(stream, start, packed_bytes)
    if method == zipfile.ZIP_DEFLATED:
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = unpacker.decompress(data, size_bytes + 1)
        except zlib.error as error:
            raise RejectError(f"damaged in the archive: {error}") from None
    if len(data) != size_bytes or zlib.crc32(data) != check:
        raise RejectError("damaged in the archive: its checksum is another")
    return data


def _exactly(stream: Any, start: int, size_bytes: int) -> bytes:
    stream.seek(start)
    data = bytes(stream.read(size_bytes))
    if len(data) != size_bytes:
        raise RejectError("cut off in the archive")
    return data


def _key(name: str) -> str:
    """A member's path without what points elsewhere: no leading /, no . and no .. in it."""
    name = (
        name.replace("\\", "/")
        .encode("utf-8", "surrogateescape")
        .decode("utf-8", "backslashreplace")
    )
    parts = [part for part in PurePosixPath(name.lstrip("/")).parts if part not in (".", "..")]
    return "/".join(parts)
