"""Read, change and replace an object, so that no update of another process is lost.

An update is a PUT that the store takes only while the object is what was read (If-Match). Stores
that do not know that header are asked to look again a second later: there two updates can undo each
other only if one of the processes stood still for longer than that between reading and writing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import botocore.exceptions as boto_errors

from aigc.errors import StorageError
from aigc.storage import _local, _s3, _s3_client, _s3_create
from aigc.storage._s3_errors import code, status

_PATIENCE_S = 60.0
_PAUSE_S = 0.2
_SETTLE_S = 1.0
_CHANGED = {404, 409, 412}
"""Answers to a conditional PUT whose object was changed, made or removed meanwhile."""
_NO_TAG = '"00000000000000000000000000000000"'

_found: dict[tuple[str, str], bool] = {}


def update(uri: str, change: Callable[[bytes | None], bytes]) -> None:
    """Raises StorageError when others changed it again and again for a minute."""
    until, exact = time.monotonic() + _PATIENCE_S, conditional(uri)
    while True:
        with _s3.errors(uri):
            known, tag = _read(uri)
            wanted = change(known)
            if wanted == known or (exact and _put(uri, wanted, tag)):
                return
        if time.monotonic() > until:
            raise StorageError(f"{uri}: others keep changing it; try again")
        if not exact:
            _s3.write(uri, wanted)
        time.sleep(_PAUSE_S * random.random() if exact else _SETTLE_S)


def conditional(uri: str) -> bool:
    """Whether the bucket of `uri` honours If-None-Match and If-Match; asked once a process."""
    place = (_s3_client.client().meta.endpoint_url, _s3.split(uri)[0])
    if place not in _found:
        _found[place] = _s3_create.conditional(uri) and _asked(uri)
    return _found[place]


def _asked(uri: str) -> bool:
    """A PUT over an object that is another one must be refused (412)."""
    trial = f"{uri.rpartition('/')[0]}/{_local.temporary_name()}"
    with _s3.errors(trial):
        try:
            _s3.write(trial, b"")
            return not _put(trial, b"", _NO_TAG)
        except boto_errors.ClientError as error:
            if status(error) in (400, 501):
                return False
            raise
        finally:
            _s3.delete(trial)


def _read(uri: str) -> tuple[bytes | None, str | None]:
    """The object's bytes and its ETag; None where there is none."""
    bucket, key = _s3.split(uri)

    def got() -> tuple[bytes | None, str | None]:
        answer = _s3_client.client().get_object(Bucket=bucket, Key=key)
        return answer["Body"].read(), answer["ETag"]

    try:
        return _s3.patiently(got)
    except boto_errors.ClientError as error:
        if status(error) != 404 or code(error) == "NoSuchBucket":
            raise
    return None, None


def _put(uri: str, data: bytes, tag: str | None) -> bool:
    """Whether the object was still the one with `tag` (None: was not there) and is `data` now."""
    bucket, key = _s3.split(uri)
    put = _s3_client.client().put_object
    try:
        if tag is None:
            _s3.patiently(lambda: put(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*"))
        else:
            _s3.patiently(lambda: put(Bucket=bucket, Key=key, Body=data, IfMatch=tag))
    except boto_errors.ClientError as error:
        if status(error) not in _CHANGED or code(error) == "NoSuchBucket":
            raise
        return False
    return True
