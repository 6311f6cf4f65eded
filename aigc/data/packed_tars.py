"""Compressed tar files, unpacked once a process into a nameless temporary file: a compressed stream
cannot be read in parts. The file is gone with the process, however that ends."""

from __future__ import annotations

import bz2
import functools
import gzip
import lzma
import os
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import IO, Any

from aigc import storage
from aigc.errors import DataError, DiskFullError

SUFFIXES = {
    **dict.fromkeys((".tar.gz", ".tgz"), "gz"),
    **dict.fromkeys((".tar.bz2", ".tbz", ".tbz2"), "bz2"),
    **dict.fromkeys((".tar.xz", ".txz"), "xz"),
}
_OPEN: dict[str, Callable[[Any], Any]] = {
    "gz": lambda stream: gzip.GzipFile(fileobj=stream),
    "bz2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
}
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, OSError)
"""Errors of decompressors on a file that is damaged, cut off or of another kind."""
_PIECE_BYTES = 2**20
_FREE_BYTES = 2**30
_MOST_TIMES = 100
"""Beyond `_FREE_BYTES`, what is unpacked may be this many times as large as what is packed:
pictures and sounds hardly shrink, a decompression bomb does."""
_LOCK = threading.Lock()


def is_packed(uri: str) -> bool:
    return uri.lower().endswith(tuple(SUFFIXES))


def unpacked(uri: str, modified: str) -> IO[bytes]:
    """The tar in the compressed file `uri`, open for reading; `modified` tells its state.

    Raises:
        DataError: damaged, or a decompression bomb.
        DiskFullError: no room for it in the folder of temporary files.
    """
    with _LOCK:
        return _unpacked(uri, modified)


def read(uri: str, modified: str, start: int, size_bytes: int) -> bytes:
    """A part of the tar; shorter where that ends. Any number of threads may read."""
    return os.pread(unpacked(uri, modified).fileno(), size_bytes, start)


@functools.cache
def _unpacked(uri: str, modified: str) -> IO[bytes]:
    del modified  # a changed file is another one
    made = tempfile.TemporaryFile()  # noqa: SIM115  # it stays open for later reads
    try:
        for piece in _pieces(uri):
            _write(made, piece)
    except BaseException:
        made.close()
        raise
    made.seek(0)
    return made


def _write(made: IO[bytes], piece: bytes) -> None:
    try:
        made.write(piece)
        made.flush()
    except OSError as error:
        raise DiskFullError(
            f"{tempfile.gettempdir()}: {error.strerror} while unpacking; set TMPDIR to a folder "
            "with room"
        ) from None


def _pieces(uri: str) -> Iterator[bytes]:
    kind = next(kind for suffix, kind in SUFFIXES.items() if uri.lower().endswith(suffix))
    with closing(storage.open_input(uri)) as stream:
        most = max(_FREE_BYTES, _MOST_TIMES * stream.size())
        count = 0
        try:
            packed = _OPEN[kind](stream)
            while piece := packed.read(_PIECE_BYTES):
                count += len(piece)
                if count > most:
                    raise DataError(
                        f"{uri}: holds more than {most:,} bytes, {_MOST_TIMES} times its size; "
                        "unpack it into a folder if that is right"
                    )
                yield piece
        except _DAMAGED as error:
            line = " ".join(str(error).split())
            raise DataError(f"{uri}: a damaged archive ({line}); copy or pack it again") from None
