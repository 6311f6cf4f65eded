"""The only module that tells s3:// from a path.

Every function takes a URI: `s3://bucket/key`, `file:///path` or a plain path. S3 is reached through
boto3, and a request outlasts a server that is busy, gone or silent for a minute. Whatever goes
wrong is a `StorageError` of one line. Credentials come from the environment as boto3 reads them,
and never appear in a message.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pyarrow as pa

from aigc.errors import DamagedError, DiskFullError, StorageError
from aigc.storage import (
    _local,
    _s3,
    _s3_client,
    _s3_create,
    _s3_reader,
    _s3_sweep,
    _s3_upload,
    tree,
)
from aigc.storage._local import path_of as _path
from aigc.storage._local_update import update as _update_file
from aigc.storage._s3_update import update as _update_object
from aigc.threads import each
from aigc.types import Json, OnBytes

_READ_AHEAD_BYTES = 2**20

Entry = tree.Entry


def is_s3(uri: str) -> bool:
    return uri.startswith("s3://")


def absolute(uri: str) -> str:
    """`uri` as it means the same in any working directory; StorageError if it is no place."""
    if is_s3(uri):
        return "s3://" + "/".join(_s3.split(uri)).rstrip("/")
    with _local.errors(uri):
        return str(_path(uri).absolute())


def join(uri: str, *parts: str) -> str:
    return "/".join([uri.rstrip("/"), *(part.strip("/") for part in parts if part)])


def read_bytes(uri: str) -> bytes:
    """Raises StorageError, also when nothing is there."""
    if is_s3(uri):
        return _s3.read(uri)
    with _local.errors(uri):
        return _path(uri).read_bytes()


def read_if_there(uri: str) -> bytes | None:
    """As `read_bytes`; None when there is no such file or object."""
    if is_s3(uri):
        return _s3.read_if_there(uri)
    with _local.errors(uri), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return _path(uri).read_bytes()
    return None


def read_json(uri: str) -> Json | None:
    """The JSON object at `uri`; None when there is no such file or object.

    Raises:
        DamagedError: it is no JSON object.
    """
    data = read_if_there(uri)
    if data is None:
        return None
    with contextlib.suppress(ValueError):
        found = json.loads(data)
        if isinstance(found, dict):
            return found
    raise DamagedError(f"{uri}: damaged; delete it, then give the command that wrote it again")


def write_bytes(uri: str, data: bytes, *, synced: bool = True) -> None:
    """Write or replace in one step: a reader sees the old bytes or the new, never a part.

    Without `synced` a local file may be lost when the machine loses its power before `sync`.
    """
    if is_s3(uri):
        _s3.write(uri, data)
        return
    with _local.errors(uri):
        _local.replace(_path(uri), data, synced)


def create(uri: str, data: bytes) -> bool:
    """Write `data` only if nothing is there; of many callers exactly one gets True.

    The bytes should be unique to the caller: after a lost answer, finding them means we won. On a
    store without conditional PUT (see `can_create`) this holds for callers seconds apart only.
    """
    if is_s3(uri):
        return _s3_create.create(uri, data)
    with _local.errors(uri):
        return _local.create(_path(uri), data)


def update(uri: str, change: Callable[[bytes | None], bytes]) -> None:
    """Replace what is at `uri` by what `change` makes of it (None: nothing is there).

    No other caller's update is lost. `change` may be called again, also on what it returned, and
    then changes nothing. A local file is its owner's alone afterwards.
    """
    if is_s3(uri):
        _update_object(uri, change)
        return
    with _local.errors(uri):
        _update_file(_path(uri), change)


def permissions(uri: str) -> int | None:
    """Of a local file, as of chmod; None on S3, and when nothing is there."""
    with _local.errors(uri):
        return None if is_s3(uri) or not exists(uri) else _path(uri).stat().st_mode & 0o777


def sync(uri: str) -> None:
    """All that was written below the folder `uri` outlasts a loss of power; S3 sees to it."""
    if not is_s3(uri):
        with _local.errors(uri):
            _local.sync_disk(_path(uri))


def can_create(uri: str) -> bool:
    """Whether `create` decides races where `uri` lies: disks do, most S3 stores do."""
    return _s3_create.conditional(uri) if is_s3(uri) else True


def exists(uri: str) -> bool:
    """Whether there is an object (or, locally, a folder) at exactly `uri`."""
    if is_s3(uri):
        return _s3.exists(uri)
    with _local.errors(uri):
        return _local.exists(_path(uri))


def listing(uri: str) -> Iterator[Entry]:
    """Every file below `uri`, folder by folder in order; nothing when it does not exist.

    Temporaries are passed over, and objects that stand for folders.
    """
    if not is_s3(uri):
        root = _path(uri)
        with _local.errors(uri):
            for path, stat in _local.files_below(root):
                key = path.relative_to(root).as_posix()
                yield Entry(str(path), key, stat.st_size, stat.st_mtime)
        return
    for one in _s3.objects(uri):
        if not one[1].rpartition("/")[2].startswith(_local.TEMP):
            yield Entry(*one)


def everything(uri: str) -> Iterator[Entry]:
    """As `listing`, for a user's own folder or file: links are followed, and what is not a file to
    read (dangling links, pipes, devices, empty folders) is there with its `problem`."""
    if is_s3(uri):
        yield from (Entry(*one) for one in _s3.single(uri))
        yield from listing(uri)
    else:
        with _local.errors(uri):
            for one in tree.entries(_path(uri)):
                yield Entry(one.path, one.key, one.size_bytes, one.modified_s, one.problem)


def names(uri: str, start: str = "") -> list[str]:
    """Names of the files directly in the folder `uri` that begin with `start`, in no order; faster
    than `listing`, which asks the size of each."""
    if is_s3(uri):
        return [name for name in _s3.names(uri, start) if not name.startswith(_local.TEMP)]
    with _local.errors(uri):
        return _local.names(_path(uri), start)


def folders(uri: str) -> list[str]:
    """Names of the folders directly below `uri`, sorted; empty when it does not exist."""
    if is_s3(uri):
        return _s3.folders(uri)
    with _local.errors(uri):
        root = _path(uri)
        return sorted(p.name for p in root.iterdir() if p.is_dir()) if root.is_dir() else []


def delete(uri: str) -> None:
    """Remove one object; already gone is fine."""
    if is_s3(uri):
        _s3.delete(uri)
        return
    with _local.errors(uri):
        _path(uri).unlink(missing_ok=True)


def delete_tree(uri: str) -> None:
    """Remove everything below `uri`; already gone is fine."""
    if is_s3(uri):
        each(_s3.delete, [entry.uri for entry in listing(uri)])
        return
    with _local.errors(uri), contextlib.suppress(FileNotFoundError):
        shutil.rmtree(_path(uri))


def scratch(uri: str) -> Path:
    """A fresh local path to write a file before `upload(path, uri)`: on the same disk if local."""
    if is_s3(uri):
        with _local.errors("the folder for temporary files (TMPDIR)"):
            return _local.scratch_folder() / _local.temporary_name()
    with _local.errors(uri):
        _local.make_folder(_path(uri).parent)
    return _path(uri).with_name(_local.temporary_name())


@contextlib.contextmanager
def scratch_file(uri: str) -> Iterator[Path]:
    """`scratch(uri)`, removed at the end.

    Raises:
        DiskFullError: while it was written. On the way to S3 a StorageError instead: the folder for
            temporary files is full, and another machine may have room.
    """
    local = scratch(uri)
    try:
        with _local.full(str(local.parent)):
            yield local
    except DiskFullError as error:
        raise (StorageError(f"TMPDIR: {error}") if is_s3(uri) else error) from None
    finally:
        local.unlink(missing_ok=True)


def upload(source: Path, uri: str, on_bytes: OnBytes = lambda count: None) -> None:
    """Move the local file `source` to `uri`; it appears there whole or not at all, and stays."""
    if is_s3(uri):
        _s3_upload.upload(source, uri, on_bytes)
        source.unlink()
        return
    with _local.errors(uri):
        _local.move_synced(source, _path(uri))


def copy(source: str, target: str) -> None:
    """`source`'s bytes at `target`, whole or not at all; within S3 they do not travel here."""
    if is_s3(source) and is_s3(target):
        _s3.copy(source, target)
        return
    with scratch_file(target) as local:
        with open_input(source) as stream, local.open("wb") as file:
            shutil.copyfileobj(stream, file, _READ_AHEAD_BYTES)
        upload(local, target)


def open_input(uri: str) -> pa.NativeFile:
    """A seekable binary stream, for Parquet and other large files."""
    if is_s3(uri):
        return pa.PythonFile(io.BufferedReader(_s3_reader.Reader(uri), _READ_AHEAD_BYTES), "r")
    with _local.errors(uri):
        return _local.open_input(_path(uri).absolute())


def require_writable(uri: str) -> None:
    """Raises StorageError unless an object can be written below `uri`; leaves nothing behind."""
    if not is_s3(uri):
        with _local.errors(uri):
            _local.require_writable(_path(uri).absolute(), uri)
    elif not _s3_create.ask(uri):
        name = _local.temporary_name()
        write_bytes(join(uri, name), b"")
        delete(join(uri, name))


def s3_account() -> tuple[str, str | None]:
    """The S3 endpoint in use and where its credentials come from, None when there are none."""
    return _s3_client.account()


def remove_unfinished(uri: str, older_than_s: float, names: Collection[str]) -> int:
    """Drop temporaries in `uri`, and those and multipart uploads at or below its `names`, that were
    begun longer ago; returns how many. The rest of `uri`, perhaps a bucket, belongs to others.
    What dead processes of this machine left of files on their way to S3 goes whatever its age."""
    if not is_s3(uri):
        with _local.errors(uri):
            return _local.remove_temporaries(_path(uri), older_than_s, names)
    _local.sweep_scratch()
    return _s3_sweep.remove_unfinished(uri, older_than_s, names)
