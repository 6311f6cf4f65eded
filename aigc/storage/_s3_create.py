"""Writing an object only if none is there, on stores that can and on those that cannot."""

from __future__ import annotations

import contextlib
import threading
import time

import botocore.exceptions as boto_errors

from aigc.storage import _local, _s3, _s3_client
from aigc.storage._s3_errors import code, status

_SETTLE_S = 1.0
_SMALL_BYTES = 2**16
_UNKNOWN = {"NotImplemented", "InvalidArgument", "InvalidRequest", "UnsupportedOperation"}

_found: dict[tuple[str, str], bool] = {}
_asking = threading.Lock()


def conditional(uri: str) -> bool:
    """Whether the bucket of `uri` honours `If-None-Match: *`: asked once, beside `uri`."""
    bucket, key = _s3.split(uri)
    with _asking:
        known = _found.get(_place(uri))
        return ask(f"s3://{bucket}/{key.rpartition('/')[0]}") if known is None else known


def ask(folder: str) -> bool:
    """The same, by writing into `folder`: when it is so, objects can be written there.

    A second conditional PUT of one key must be refused (412). A store that takes it, or does not
    know the header (501, 400), has no conditional PUT.
    """
    bucket, prefix = _s3.folder(folder)
    with _s3.errors(folder):
        found = _found[_place(folder)] = _ask(bucket, prefix + _local.temporary_name())
    return found


def _place(uri: str) -> tuple[str, str]:
    return _s3_client.client().meta.endpoint_url, _s3.split(uri)[0]


def _ask(bucket: str, key: str) -> bool:
    try:
        for _ in range(2):
            _put_if_absent(bucket, key, b"")
    except boto_errors.ClientError as error:
        _remove(bucket, key)
        if status(error) == 412:
            return True
        if status(error) == 501 or code(error) in _UNKNOWN:
            return False
        raise
    _remove(bucket, key)
    return False


def _remove(bucket: str, key: str) -> None:
    """Where the server answers: one that does not would be waited for a second time."""
    with contextlib.suppress(boto_errors.ClientError, boto_errors.BotoCoreError):
        _s3_client.client().delete_object(Bucket=bucket, Key=key)


def _put_if_absent(bucket: str, key: str, data: bytes) -> None:
    put = _s3_client.client().put_object
    small = len(data) < _SMALL_BYTES
    _s3.patiently(lambda: put(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*"), small=small)


def create(uri: str, data: bytes) -> bool:
    """After 412 our own bytes mean that an earlier try of ours, whose answer was lost, won."""
    if not conditional(uri):
        return _create_weakly(uri, data)
    bucket, key = _s3.split(uri)
    with _s3.errors(uri):
        try:
            _put_if_absent(bucket, key, data)
        except boto_errors.ClientError as error:
            if status(error) != 412:
                raise
            return _holds(uri, data)
    return True


def _create_weakly(uri: str, data: bytes) -> bool:
    """Look, write, wait, look again: of writers within the same second the last one wins.

    Two win only if one of them stood still for longer than that between looking and writing. Where
    this is not enough, as for a shard's record, see `output.records`.
    """
    found = _s3.read_if_there(uri)
    if found is not None:
        return found == data
    _s3.write(uri, data)
    time.sleep(_SETTLE_S)
    return _holds(uri, data)


def _holds(uri: str, data: bytes) -> bool:
    """Whether the object is `data`; False also when it has been removed since."""
    return _s3.read_if_there(uri) == data
