"""The only module that tells s3:// from a path.

Every function takes a URI: `s3://bucket/key`, `file:///path` or a plain path. Small objects go
through boto3 (conditional PUT, retries), large reads stream through pyarrow. Whatever goes wrong is
a `StorageError` of one line. Credentials come from the environment as boto3 reads them, and never
appear in a message.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs

from aigc import _s3
from aigc.errors import StorageError

_TEMP = ".aigc-tmp-"
"""Prefix of files still being written; readers and listings pass over them."""


@dataclass(frozen=True)
class Entry:
    """One stored object. `key` is its path below the listed URI, with forward slashes."""

    uri: str
    key: str
    size_bytes: int
    modified_s: float


def is_s3(uri: str) -> bool:
    return uri.startswith("s3://")


def absolute(uri: str) -> str:
    """`uri` such that it means the same in any working directory."""
    return uri.rstrip("/") if is_s3(uri) else str(_path(uri).absolute())


def join(uri: str, *parts: str) -> str:
    return "/".join([uri.rstrip("/"), *(part.strip("/") for part in parts if part)])


def read_bytes(uri: str) -> bytes:
    """Raises StorageError, also when nothing is there."""
    if not is_s3(uri):
        with _local_errors(uri):
            return _path(uri).read_bytes()
    bucket, key = _s3.split(uri)
    with _s3.errors(uri):
        return _s3.client().get_object(Bucket=bucket, Key=key)["Body"].read()


def write_bytes(uri: str, data: bytes, *, synced: bool = True) -> None:
    """Write or replace in one step: a reader sees the old bytes or the new, never a part.

    Without `synced` a local file may be lost when the machine loses its power at once.
    """
    if is_s3(uri):
        bucket, key = _s3.split(uri)
        with _s3.errors(uri):
            _s3.client().put_object(Bucket=bucket, Key=key, Body=data)
        return
    with _local_errors(uri), _temporary_beside(_path(uri)) as temporary:
        if synced:
            _write_synced(temporary, data)
        else:
            temporary.write_bytes(data)
        temporary.replace(_path(uri))


def create(uri: str, data: bytes) -> bool:
    """Write `data` only if nothing is there; of many callers exactly one gets True.

    The bytes should be unique to the caller: after a lost answer, finding them means we won.
    """
    if is_s3(uri):
        return _s3.create(uri, data)
    with _local_errors(uri), _temporary_beside(_path(uri)) as temporary:
        _write_synced(temporary, data)
        try:
            os.link(temporary, _path(uri))
        except FileExistsError:
            return _path(uri).read_bytes() == data
        return True


def exists(uri: str) -> bool:
    """Whether there is an object (or, locally, a folder) at exactly `uri`."""
    return _s3.exists(uri) if is_s3(uri) else _path(uri).exists()


def listing(uri: str) -> Iterator[Entry]:
    """Every file below `uri`, folder by folder in order; nothing when it does not exist."""
    if not is_s3(uri):
        yield from _local_listing(_path(uri))
        return
    bucket, prefix = _s3_folder(uri)
    with _s3.errors(uri):
        pages = _s3.client().get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                yield Entry(
                    f"s3://{bucket}/{item['Key']}",
                    item["Key"].removeprefix(prefix),
                    item["Size"],
                    item["LastModified"].timestamp(),
                )


def folders(uri: str) -> list[str]:
    """Names of the folders directly below `uri`, sorted; empty when it does not exist."""
    if not is_s3(uri):
        root = _path(uri)
        with _local_errors(uri):
            return sorted(p.name for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
    bucket, prefix = _s3_folder(uri)
    names: list[str] = []
    with _s3.errors(uri):
        pages = _s3.client().get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=bucket, Prefix=prefix, Delimiter="/"):
            names += [found["Prefix"] for found in page.get("CommonPrefixes", [])]
    return sorted(name.removeprefix(prefix).rstrip("/") for name in names)


def delete(uri: str) -> None:
    """Remove one object; already gone is fine."""
    if is_s3(uri):
        bucket, key = _s3.split(uri)
        with _s3.errors(uri):
            _s3.client().delete_object(Bucket=bucket, Key=key)
        return
    with _local_errors(uri):
        _path(uri).unlink(missing_ok=True)


def delete_tree(uri: str) -> None:
    """Remove everything below `uri`; already gone is fine."""
    if is_s3(uri):
        for entry in listing(uri):
            delete(entry.uri)
        return
    with _local_errors(uri), contextlib.suppress(FileNotFoundError):
        shutil.rmtree(_path(uri))


def scratch(uri: str) -> Path:
    """A fresh local path to write a file before `upload(path, uri)`: on the same disk if local."""
    name = f"{_TEMP}{uuid.uuid4().hex}"
    if is_s3(uri):
        return Path(tempfile.gettempdir()) / name
    with _local_errors(uri):
        _path(uri).parent.mkdir(parents=True, exist_ok=True)
    return _path(uri).with_name(name)


def upload(source: Path, uri: str) -> None:
    """Move the local file `source` to `uri`; it appears there whole or not at all."""
    if is_s3(uri):
        bucket, key = _s3.split(uri)
        with _s3.errors(uri), source.open("rb") as file:
            _s3.client().upload_fileobj(file, bucket, key)
        source.unlink()
        return
    with _local_errors(uri), _temporary_beside(_path(uri)) as temporary:
        shutil.move(source, temporary)
        temporary.replace(_path(uri))


def open_input(uri: str) -> pa.NativeFile:
    """A seekable binary stream, for Parquet and other large files."""
    filesystem, path = arrow(uri)
    with _s3.errors(uri) if is_s3(uri) else _local_errors(uri):
        return filesystem.open_input_file(path)


def arrow(uri: str) -> tuple[pafs.FileSystem, str]:
    """`uri` as pyarrow and Ray Data take it: (file system, path)."""
    if is_s3(uri):
        return _s3.arrow_filesystem(), uri.removeprefix("s3://").rstrip("/")
    return pafs.LocalFileSystem(), str(_path(uri).absolute())


def require_writable(uri: str) -> None:
    """Raises StorageError unless an object can be written below `uri`; leaves nothing behind."""
    name = f"{_TEMP}{uuid.uuid4().hex}"
    if is_s3(uri):
        _s3.require_bucket(uri)
        write_bytes(join(uri, name), b"")
        delete(join(uri, name))
        return
    target = _path(uri).absolute()
    nearest = next(p for p in [target, *target.parents] if p.exists())
    if not nearest.is_dir():
        raise StorageError(f"{uri}: {nearest} is a file; choose a folder")
    with _local_errors(uri):
        (nearest / name).touch()
        (nearest / name).unlink()


def s3_account() -> tuple[str, str | None]:
    """The S3 endpoint in use and where its credentials come from, None when there are none."""
    return _s3.account()


def remove_unfinished(uri: str, older_than_s: float) -> int:
    """Drop temporaries and multipart uploads below `uri` begun longer ago; returns how many."""
    if not is_s3(uri):
        return _remove_temporaries(_path(uri), older_than_s)
    bucket, prefix = _s3_folder(uri)
    count = 0
    with _s3.errors(uri):
        pages = _s3.client().get_paginator("list_multipart_uploads")
        for page in pages.paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Uploads", []):
                if (datetime.now(UTC) - item["Initiated"]).total_seconds() < older_than_s:
                    continue
                _s3.client().abort_multipart_upload(
                    Bucket=bucket, Key=item["Key"], UploadId=item["UploadId"]
                )
                count += 1
    return count


def _path(uri: str) -> Path:
    return Path(uri.removeprefix("file://")).expanduser()


def _s3_folder(uri: str) -> tuple[str, str]:
    bucket, key = _s3.split(uri)
    return bucket, key.rstrip("/") + "/" if key else ""


def _local_listing(root: Path) -> Iterator[Entry]:
    for folder, below, files in os.walk(root):
        below.sort()
        for name in sorted(files):
            if name.startswith(_TEMP):
                continue
            path = Path(folder) / name
            with contextlib.suppress(FileNotFoundError):
                stat = path.stat()
                key = path.relative_to(root).as_posix()
                yield Entry(str(path), key, stat.st_size, stat.st_mtime)


@contextlib.contextmanager
def _temporary_beside(target: Path) -> Iterator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{_TEMP}{uuid.uuid4().hex}")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _remove_temporaries(root: Path, older_than_s: float) -> int:
    now = datetime.now(UTC).timestamp()
    count = 0
    for path in root.rglob(f"{_TEMP}*"):
        with contextlib.suppress(FileNotFoundError):
            if now - path.stat().st_mtime >= older_than_s:
                path.unlink()
                count += 1
    return count


@contextlib.contextmanager
def _local_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise StorageError(f"{uri}: not found") from None
    except PermissionError:
        raise StorageError(
            f"{uri}: permission denied; choose another place or its rights"
        ) from None
    except OSError as error:
        raise StorageError(f"{uri}: {error.strerror or error}") from None
