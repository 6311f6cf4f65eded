"""Archives of known content: from a folder of the user's, their home, or Debian's mirrors."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import queue
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aigc.data.fetch.options import Say
from aigc.errors import DataError
from aigc.storage import proxies

_TIMEOUT_S = 30
_SLOWEST_BYTES_PER_S = 50_000
_SAY_EVERY_S = 10
_PIECE_BYTES = 2**20
_PIECES = 4
"""Read ahead."""
_APT_TIMEOUT_S = 1800


@dataclass(frozen=True)
class Archive:
    """One published file. Its size and sha256 are part of this program, so that nothing else is
    ever taken for it."""

    name: str
    urls: tuple[str, ...]
    size_bytes: int
    sha256: str
    debian: str = ""
    """Debian package that `apt-get download` is asked for when no address answers."""


class UnavailableError(Exception):
    """A source cannot be used; the next one may."""


def obtain(archive: Archive, scratch: Path, say: Say, given: Path | None = None) -> Path:
    """The archive as a file below `scratch`, or where it lies in the folder `given`.

    Raises:
        DataError: no source gave the right bytes; each source is named with its reason.
    """
    if given is not None and (found := _among(given, archive)):
        return found
    reasons = []
    for url in archive.urls:
        try:
            return _download(url, archive, scratch, say)
        except UnavailableError as error:
            reasons.append(f"{url}: {error}")
            say(f"{reasons[-1]}; trying the next source")
    if archive.debian:
        try:
            return _from_debian(archive, scratch, say)
        except UnavailableError as error:
            reasons.append(str(error))
    raise DataError(
        f"{archive.name} cannot be fetched ({'; '.join(reasons)}). Put the file (sha256 "
        f"{archive.sha256}) into a folder and name that by --archives"
    )


def apt_download(package: str, scratch: Path) -> Path:
    """The package's .deb below `scratch`, without root and without installing it.

    Raises:
        UnavailableError: there is no apt-get, or it did not give one file.
    """
    line = f"apt-get download {package}"
    if shutil.which("apt-get") is None:
        raise UnavailableError("apt-get is not installed")
    call(line.split(), scratch, _APT_TIMEOUT_S)
    packages = list(scratch.glob(f"{package}_*.deb"))
    if len(packages) != 1:
        raise UnavailableError(f"{line}: left {len(packages)} packages")
    return packages[0]


def call(command: list[str], folder: Path, timeout_s: float) -> None:
    """Run `command` in `folder`. Raises UnavailableError with its last line when it fails."""
    line = " ".join(command[:3])
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{line}: no answer for {timeout_s:g} s") from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UnavailableError(f"{line}: {reason}")


def read_url(url: str, most_bytes: int) -> Iterator[bytes]:
    """The body of `url` in pieces, at most `most_bytes` of it.

    Raises:
        UnavailableError: it cannot be reached, is larger, or comes more slowly than 50 kB/s.
    """
    deadline = time.monotonic() + _TIMEOUT_S + most_bytes / _SLOWEST_BYTES_PER_S
    # In a thread of its own: a server that drips its answer, headers included, is bounded for each
    # read of the socket only.
    pieces: queue.Queue[bytes | Exception] = queue.Queue(_PIECES)
    left = threading.Event()
    threading.Thread(target=_read, args=(url, pieces, left), daemon=True).start()
    count = 0
    try:
        while True:
            try:
                piece = pieces.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise UnavailableError(f"only {count:,} bytes came in time") from None
            if isinstance(piece, Exception):
                reason = getattr(piece, "reason", None) or piece
                raise UnavailableError(f"cannot be reached{proxies.through(url)} ({reason})")
            if not piece:
                return
            count += len(piece)
            if count > most_bytes:
                raise UnavailableError(f"more than {most_bytes:,} bytes")
            yield piece
    finally:
        left.set()


def _read(url: str, pieces: queue.Queue[bytes | Exception], left: threading.Event) -> None:
    """Put the body of `url`, then nothing or the error, until the reader has `left`."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            read = getattr(answer, "read1", answer.read)  # file:// has no read1
            while (piece := read(_PIECE_BYTES)) and not left.is_set():
                _put(pieces, piece, left)
            if missing := getattr(answer, "length", 0):  # announced, and not there
                raise http.client.IncompleteRead(b"", missing)
        _put(pieces, b"", left)
    except (OSError, http.client.HTTPException, ValueError) as error:
        _put(pieces, error, left)


def _put(
    pieces: queue.Queue[bytes | Exception], piece: bytes | Exception, left: threading.Event
) -> None:
    while not left.is_set():
        with contextlib.suppress(queue.Full):
            pieces.put(piece, timeout=1)
            return


def _download(url: str, archive: Archive, scratch: Path, say: Say) -> Path:
    path, digest, count = scratch / archive.name, hashlib.sha256(), 0
    total = archive.size_bytes / 1e6
    say(f"downloading {url} ({total:,.1f} MB)")
    said = time.monotonic()
    with path.open("wb") as file:
        for piece in read_url(url, archive.size_bytes):
            file.write(piece)
            digest.update(piece)
            count += len(piece)
            if time.monotonic() - said > _SAY_EVERY_S:
                said = time.monotonic()
                say(f"  {count / 1e6:,.1f} of {total:,.1f} MB")
    if count != archive.size_bytes or digest.hexdigest() != archive.sha256:
        raise UnavailableError(f"not the published file ({count:,} bytes, other sha256)")
    return path


def _from_debian(archive: Archive, scratch: Path, say: Say) -> Path:
    say(f"trying apt-get download {archive.debian} ({archive.size_bytes / 1e6:,.1f} MB)")
    path = apt_download(archive.debian, scratch)
    try:
        _check(path, archive)
    except DataError as error:
        raise UnavailableError(f"apt-get download {archive.debian}: {error}") from None
    return path


def _among(given: Path, archive: Archive) -> Path | None:
    """The archive in the folder `given`, under any name; its own name with other bytes is wrong."""
    if not given.is_dir():
        raise DataError(f"archives = {str(given)!r}: not a folder")
    for path in sorted(given.iterdir()):
        if path.is_file() and path.stat().st_size == archive.size_bytes:
            with contextlib.suppress(DataError):
                _check(path, archive)
                return path
    if (given / archive.name).exists():
        _check(given / archive.name, archive)
    return None


def _check(path: Path, archive: Archive) -> None:
    if path.stat().st_size == archive.size_bytes:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == archive.sha256:
                return
    raise DataError(f"{path.name}: not the published file of {archive.size_bytes:,} bytes (sha256)")
