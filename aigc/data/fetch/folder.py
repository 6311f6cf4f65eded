"""A fetched folder of pictures or sounds: written beside its place, moved there whole, checked when
asked for again.

Files lie at <class>/<name>. `metadata.csv` has the format of Hugging Face's imagefolder, with
the columns file_name, text, label, licence, creator, and source where it is known of each file.
`SHA256SUMS` is what `sha256sum --check`
reads. `source.json` says what was fetched, with which options.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aigc.errors import DataError, SpecError, StorageError
from aigc.types import Json

METADATA = "metadata.csv"
SOURCE = "source.json"
SUMS = "SHA256SUMS"
LICENCE = "LICENSE"
_COLUMNS = ("file_name", "text", "label", "licence", "creator", "source")


@dataclass(frozen=True)
class FetchedFile:
    """One file and what is known of it."""

    name: str
    """File name within its class's folder."""
    data: bytes
    text: str
    label: str
    licence: str
    creator: str
    source: str = ""
    """Where it was published, an address."""

    @property
    def path(self) -> str:
        return f"{self.label}/{self.name}"


def is_there(folder: Path, about: Json) -> bool:
    """Whether `folder` holds exactly what `about` says, every byte; False when it does not exist.

    Raises:
        SpecError: it holds something else.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        found = json.loads((folder / SOURCE).read_bytes())
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or "set" not in found:
        raise SpecError(f"FOLDER = {str(folder)!r}: not empty; choose a new folder")
    other = [name for name in about if found.get(name) != about[name]]
    if other:
        shown = ", ".join(f"{name} = {found.get(name)!r}" for name in other[:2])
        raise SpecError(
            f"FOLDER = {str(folder)!r}: holds a set fetched with {shown}; choose a new folder"
        )
    return _sums_hold(folder, str(found.get("sha256")))


def write(folder: Path, about: Json, files: Iterable[FetchedFile], licence: str) -> int:
    """Write `files` with their metadata; returns how many. `folder` appears whole or, when it
    was there with other bytes, file by file.

    Raises:
        DataError: another fetch is writing there, or two files have one name.
        StorageError: the disk refused.
    """
    with disk_errors(folder), _staging(folder) as staging:
        rows, sums = _write_files(staging, files)
        for name, data in ((METADATA, _table(rows)), (LICENCE, licence.encode())):
            sums[name] = _put(staging / name, data)
        listing = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
        total = {"files": len(rows), "sha256": _put(staging / SUMS, listing)}
        _put(staging / SOURCE, json.dumps(about | total, indent=2).encode())
        _move(staging, folder)
    return len(rows)


@contextlib.contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turns an OSError over `folder` into a StorageError of one line."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{folder}: {error.strerror or error}") from None


def _write_files(
    staging: Path, files: Iterable[FetchedFile]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    rows, sums = [], {}
    for one in files:
        if one.path in sums or not _is_plain(one.label) or not _is_plain(one.name):
            raise DataError(f"{one.path!r}: found twice, or cannot be a file's name")
        (staging / one.label).mkdir(exist_ok=True)
        sums[one.path] = _put(staging / one.path, one.data)
        values = (one.path, one.text, one.label, one.licence, one.creator, one.source)
        rows.append(dict(zip(_COLUMNS, values, strict=True)))
    return sorted(rows, key=lambda row: row["file_name"]), sums


def _is_plain(name: str) -> bool:
    return name == Path(name).name != "" and not name.startswith(".") and name.isprintable()


def _table(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    columns = _COLUMNS if any(row["source"] for row in rows) else _COLUMNS[:-1]
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _put(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """An empty folder next to `folder`, for one process at a time; what a killed one left is
    removed."""
    staging = folder.absolute().with_name(f".{folder.name}.part")
    staging.mkdir(parents=True, exist_ok=True)
    lock = os.open(staging, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"{folder}: another fetch is writing there; wait for it") from None
        for left in staging.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        try:
            yield staging
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
    finally:
        os.close(lock)


def _move(staging: Path, folder: Path) -> None:
    """In one step where `folder` is not there or empty; else file by file, the marker last."""
    if not folder.exists() or not any(folder.iterdir()):
        staging.rename(folder.absolute())
        return
    paths = [path for path in staging.rglob("*") if path.is_file()]
    for path in sorted(paths, key=lambda path: path.name == SOURCE):
        target = folder / path.relative_to(staging)
        target.parent.mkdir(exist_ok=True)
        path.replace(target)
    shutil.rmtree(staging, ignore_errors=True)


def _sums_hold(folder: Path, sha256: str) -> bool:
    try:
        listing = (folder / SUMS).read_bytes()
        if hashlib.sha256(listing).hexdigest() != sha256:
            return False
        for line in listing.decode().splitlines():
            expected, _, name = line.partition("  ")
            with (folder / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                    return False
    except (OSError, UnicodeDecodeError):
        return False
    return True
