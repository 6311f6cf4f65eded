"""Members of tar, zip and Debian archives in bounded memory. Nothing is written to a path that an
archive names: members are matched by name and handed over as bytes or copied to a given file."""

from __future__ import annotations

import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol, cast

from aigc.errors import DataError

Wanted = Callable[[str], bool]
_AR_MAGIC = b"!<arch>\n"
_AR_HEADER = 60
_COPY_BYTES = 2**20


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Bounded:
    """Passes on at most `most_bytes` of what a stream unpacks to. Raises DataError beyond."""

    def __init__(self, stream: _Reader, most_bytes: int, name: str) -> None:
        self._stream, self._left, self._name, self._most = stream, most_bytes, name, most_bytes

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; all that are allowed when negative."""
        data = self._stream.read(self._left + 1 if size < 0 else size)
        self._left -= len(data)
        if self._left < 0:
            raise DataError(f"{self._name}: unpacks to more than {self._most:,} bytes")
        return data


class _Section:
    """`size` bytes of a file from its present position on, as a stream of its own."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._left = file, size

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data


def tar_members(
    path: Path, wanted: Wanted, most_bytes: int, all_bytes: int
) -> Iterator[tuple[str, bytes]]:
    """(name, content) of each regular file in a .tar.gz or .tar.xz whose name is `wanted`.

    Raises:
        DataError: damaged, one such file has more than `most_bytes`, or all members unpack to more
            than `all_bytes`.
    """
    with path.open("rb") as file, _errors(path.name):
        for name, size, stream in _tar(file, path.name, wanted, all_bytes):
            _within(path.name, name, size, most_bytes)
            yield name, stream.read(size)


def deb_members(path: Path, wanted: Wanted, most_bytes: int, folder: Path) -> dict[str, Path]:
    """Copies each regular file of a .deb whose name is `wanted` to a numbered file in `folder`.

    Names are as tar has them, without a leading `./`. Raises DataError: damaged, or larger than
    `most_bytes` in all.
    """
    found: dict[str, Path] = {}
    with path.open("rb") as file, _errors(path.name):
        section = _data_section(file, path.name)
        for name, _, stream in _tar(section, path.name, wanted, most_bytes):
            copy = folder / f"member-{len(found)}"
            with copy.open("wb") as target:
                while piece := stream.read(_COPY_BYTES):
                    target.write(piece)
            found[name] = copy
    return found


class Zip:
    """Members of a zip file by name, each at most `most_bytes`."""

    def __init__(self, file: zipfile.ZipFile, name: str, most_bytes: int) -> None:
        self._file, self._name, self._most = file, name, most_bytes
        self.names = frozenset(file.namelist())

    def read(self, member: str) -> bytes:
        """Raises DataError when it is missing, damaged or too large."""
        if member not in self.names:
            raise DataError(f"{self._name}: has no member {member!r}")
        with _errors(self._name), self._file.open(member) as stream:
            _within(self._name, member, self._file.getinfo(member).file_size, self._most)
            data = stream.read(self._most + 1)
        _within(self._name, member, len(data), self._most)
        return data


@contextmanager
def open_zip(path: Path, name: str, most_bytes: int) -> Iterator[Zip]:
    """The zip file at `path`, called `name` in messages. Raises DataError when it is not one."""
    with _errors(name):
        file = zipfile.ZipFile(path)
    with file:
        yield Zip(file, name, most_bytes)


def _tar(
    file: _Reader, name: str, wanted: Wanted, all_bytes: int
) -> Iterator[tuple[str, int, IO[bytes]]]:
    bounded = _Bounded(_unpacked(file, name), all_bytes, name)
    with tarfile.open(fileobj=cast("IO[bytes]", bounded), mode="r|") as tar:
        for member in tar:
            inner = member.name.removeprefix("./")
            if member.isreg() and wanted(inner):
                stream = tar.extractfile(member)
                if stream is not None:
                    yield inner, member.size, stream
    while bounded.read(_COPY_BYTES):  # up to the checksum at the end
        pass


def _unpacked(file: _Reader, name: str) -> _Reader:
    """By the name's ending: a .deb's section and .xz are xz, all others gzip."""
    if name.endswith((".deb", ".xz")):
        return lzma.LZMAFile(cast("IO[bytes]", file))
    return gzip.GzipFile(fileobj=cast("IO[bytes]", file))


def _data_section(file: IO[bytes], name: str) -> _Section:
    """`data.tar.xz` of a .deb, which is an `ar` archive: 60 bytes of header before each member."""
    if file.read(len(_AR_MAGIC)) != _AR_MAGIC:
        raise DataError(f"{name}: not a Debian package")
    while len(header := file.read(_AR_HEADER)) == _AR_HEADER:
        digits = header[48:58].strip()
        if header[58:] != b"`\n" or not digits.isdigit():
            break
        size = int(digits)
        if header[:16].rstrip(b" /") == b"data.tar.xz":
            return _Section(file, size)
        file.seek(size + size % 2, 1)
    raise DataError(f"{name}: damaged, or without data.tar.xz")


def _within(archive: str, name: str, size: int, most_bytes: int) -> None:
    if size > most_bytes:
        raise DataError(f"{archive}: {name} has {size:,} bytes, more than {most_bytes:,}")


@contextmanager
def _errors(name: str) -> Iterator[None]:
    try:
        yield
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        lzma.LZMAError,
        zlib.error,
        gzip.BadGzipFile,
        EOFError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise DataError(f"{name}: damaged ({error})") from None
