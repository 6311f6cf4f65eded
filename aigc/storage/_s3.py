"""S3 below `storage`: requests that outlast a bad minute, and errors as one line.

Used by storage only. A request is sent again while the server is busy, gone, silent or cuts its
answer short: up to AIGC_S3_PATIENCE_S (90) seconds, each try up to AIGC_S3_TIMEOUT_S (30) without
a byte. An address that never answered this process is given up sooner: it is likely a wrong one.
"""

from __future__ import annotations

import contextlib
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import botocore.exceptions as boto_errors
import urllib3.exceptions as http_errors

from aigc.errors import StorageError
from aigc.storage import proxies
from aigc.storage._s3_client import client, seconds
from aigc.storage._s3_errors import code, refusal, status

_PASSING_STATUS = {408, 409, 429, 500, 502, 503, 504}
_PASSING_CODES = {
    "IncompleteBody",
    "BadDigest",
    "XAmzContentChecksumMismatch",
    "NoSuchUpload",
    "RequestTimeout",
}
"""What a body that was cut short on its way, or an upload that lost its parts, looks like."""
_UNREACHED_S = 10.0
_CONNECT_S = 20.0
"""For connections, the client's own retries among them."""
_PAUSES_S = 0.2, 5.0

T = TypeVar("T")
_reached: set[str] = set()
"""Endpoints that have answered this process, if only with an error."""


class CutShortError(boto_errors.BotoCoreError):
    fmt = "the object is shorter or longer than expected"


def split(uri: str) -> tuple[str, str]:
    """`s3://bucket/key` as (bucket, key); the key may be empty."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket:
        raise StorageError(f"{uri!r}: expected s3://BUCKET/PREFIX")
    return bucket, key


def patiently(action: Callable[[], T], *, small: bool = False) -> T:
    """The result of `action`, which may be done twice; its last error when patience ends.

    `small`: it moves few bytes, so that an address which has not answered yet gets the time of one
    try for all of them; a server may send one at a time for ever.
    """
    endpoint, began, pause = client().meta.endpoint_url, time.monotonic(), _PAUSES_S[0]
    while True:
        try:
            with _errors_of_errors():
                bounded = small and endpoint not in _reached
                result = _within_one_try(action, endpoint) if bounded else action()
        except (boto_errors.ClientError, boto_errors.BotoCoreError) as error:
            if isinstance(error, boto_errors.ClientError):
                _reached.add(endpoint)
            patience = seconds("AIGC_S3_PATIENCE_S", 90)
            if endpoint not in _reached:
                patience = min(patience, _UNREACHED_S)
            if not _passes(error) or time.monotonic() + pause - began > patience:
                raise
        else:
            _reached.add(endpoint)
            return result
        time.sleep(pause * random.uniform(0.5, 1))  # many workers shall not come back at once
        pause = min(2 * pause, _PAUSES_S[1])


def _within_one_try(action: Callable[[], T], endpoint: str) -> T:
    """Raises ReadTimeoutError when `action` has no result in time; its thread is left behind."""
    results: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(1)

    def run() -> None:
        try:
            results.put((action(), None))
        except BaseException as error:
            results.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = results.get(timeout=seconds("AIGC_S3_TIMEOUT_S", 30) + _CONNECT_S)
    except queue.Empty:
        raise boto_errors.ReadTimeoutError(endpoint_url=endpoint) from None
    if error is not None:
        raise error
    return cast("T", result)


@contextlib.contextmanager
def _errors_of_errors() -> Iterator[None]:
    """Where an error's body does not come through, botocore lets out what urllib3 says."""
    try:
        yield
    except http_errors.HTTPError as error:
        raise boto_errors.HTTPClientError(error=error) from None


def _passes(error: Exception) -> bool:
    """Whether the same request may go through later. An error whose own body was cut short has its
    status for a code; those of HEAD never have a body."""
    if isinstance(error, boto_errors.ClientError):
        said = status(error) in _PASSING_STATUS or code(error) in _PASSING_CODES
        return said or (code(error) == "400" and not error.operation_name.startswith("Head"))
    passing = (
        boto_errors.HTTPClientError,
        boto_errors.ConnectionError,
        boto_errors.IncompleteReadError,
        boto_errors.FlexibleChecksumError,
        CutShortError,
    )
    return isinstance(error, passing)


def read(uri: str) -> bytes:
    with errors(uri):
        return patiently(lambda: _get(uri))


def read_if_there(uri: str) -> bytes | None:
    """Of a 404 the body tells a missing object from a missing bucket; cut short it tells nothing,
    and what asks next hears of the bucket."""
    with errors(uri):
        try:
            return patiently(lambda: _get(uri), small=True)
        except boto_errors.ClientError as error:
            if status(error) != 404 or code(error) == "NoSuchBucket":
                raise
    return None


def _get(uri: str) -> bytes:
    bucket, key = split(uri)
    return client().get_object(Bucket=bucket, Key=key)["Body"].read()


def write(uri: str, data: bytes) -> None:
    bucket, key = split(uri)
    with errors(uri):
        patiently(lambda: client().put_object(Bucket=bucket, Key=key, Body=data))


def exists(uri: str) -> bool:
    bucket, key = split(uri)
    with errors(uri):
        try:
            patiently(lambda: client().head_object(Bucket=bucket, Key=key), small=True)
        except boto_errors.ClientError as error:
            if status(error) == 404:
                return False
            raise
    return True


def delete(uri: str) -> None:
    bucket, key = split(uri)
    with errors(uri):
        patiently(lambda: client().delete_object(Bucket=bucket, Key=key), small=True)


def copy(source: str, target: str) -> None:
    """Within the server, in parts when large."""
    (bucket, key), (to_bucket, to_key) = split(source), split(target)
    place: Any = {"Bucket": bucket, "Key": key}
    with errors(source):
        patiently(lambda: client().copy(place, to_bucket, to_key))


def pages(uri: str, start: str = "", **options: str) -> Iterator[dict[str, Any]]:
    """The answers of ListObjectsV2 for what is below the folder `uri` and begins with `start`."""
    bucket, prefix = folder(uri)
    asked: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix + start} | options
    while True:
        with errors(uri):
            page = patiently(lambda: whole(client().list_objects_v2(**asked)), small=True)
        yield page
        if not page.get("IsTruncated"):
            return
        asked["ContinuationToken"] = page["NextContinuationToken"]


def single(uri: str) -> Iterator[tuple[str, str, int, float, str, str]]:
    """As `objects`, of the object at `uri` alone; nothing when there is none."""
    parent, _, name = uri.rstrip("/").rpartition("/")
    if split(uri)[1]:
        near = objects(parent, name, Delimiter="/")
        yield from (one for one in near if one[1] == name)


def objects(
    uri: str, start: str = "", **options: str
) -> Iterator[tuple[str, str, int, float, str, str]]:
    """(URI, key below the folder `uri`, size, time, "", ETag) of what is below it and begins with
    `start`, but for objects that stand for folders."""
    bucket, prefix = folder(uri)
    for page in pages(uri, start, **options):
        for item in contents(page):
            key = item["Key"]
            if not key.endswith("/"):
                below, modified_s = key.removeprefix(prefix), item["LastModified"].timestamp()
                tag = item.get("ETag", "")
                yield f"s3://{bucket}/{key}", below, item["Size"], modified_s, "", tag


def names(uri: str, start: str) -> list[str]:
    """Of objects directly in the folder `uri` that begin with `start`."""
    prefix = folder(uri)[1]
    found = [item["Key"] for page in pages(uri, start, Delimiter="/") for item in contents(page)]
    return [key.removeprefix(prefix) for key in found if key != prefix]


def folders(uri: str) -> list[str]:
    """Names of the folders directly below the folder `uri`, sorted."""
    prefix = folder(uri)[1]
    found = [each for page in pages(uri, Delimiter="/") for each in page.get("CommonPrefixes", [])]
    return sorted(each["Prefix"].removeprefix(prefix).rstrip("/") for each in found)


def contents(page: dict[str, Any]) -> list[dict[str, Any]]:
    return list(page.get("Contents", []))


def whole(answer: Any) -> dict[str, Any]:
    """`answer`, which says something: botocore takes a body that never came for an empty one."""
    if answer.keys() <= {"ResponseMetadata", "RequestCharged"}:
        raise CutShortError
    return dict(answer)


def folder(uri: str) -> tuple[str, str]:
    bucket, key = split(uri)
    return bucket, key.rstrip("/") + "/" if key else ""


@contextlib.contextmanager
def errors(uri: str) -> Iterator[None]:
    """Botocore's exceptions as a `StorageError` that says what would be right."""
    try:
        yield
    except boto_errors.ClientError as error:
        raise StorageError(f"{uri}: {_client_message(uri, _with_reason(uri, error))}") from None
    except (boto_errors.NoCredentialsError, boto_errors.PartialCredentialsError):
        raise StorageError(
            f"{uri}: no S3 credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from None
    except boto_errors.ParamValidationError:
        raise StorageError(f"{uri}: {split(uri)[0]!r} is not a bucket name") from None
    except boto_errors.BotoCoreError as error:
        endpoint = client().meta.endpoint_url
        raise StorageError(
            f"{uri}: S3 at {endpoint} does not answer{proxies.through(endpoint)} "
            f"({type(error).__name__}); check the network and AWS_ENDPOINT_URL_S3"
            f"{proxies.way_around(endpoint)}"
        ) from None


def _with_reason(uri: str, error: boto_errors.ClientError) -> boto_errors.ClientError:
    """`error`, or the error of a GET of the same object: answers to HEAD have no body, so that they
    give no reason."""
    if not error.operation_name.startswith("Head") or status(error) in (404, 412):
        return error
    bucket, key = split(uri)
    try:
        client().get_object(Bucket=bucket, Key=key, Range="bytes=0-0")["Body"].close()
    except boto_errors.ClientError as reason:
        return reason if status(reason) == status(error) else error
    except boto_errors.BotoCoreError:
        pass
    return error


def _client_message(uri: str, error: boto_errors.ClientError) -> str:
    bucket, key = split(uri)
    if code(error) == "NoSuchBucket" or (not key and status(error) == 404):
        return f"there is no bucket {bucket!r}; create it or correct the name"
    if status(error) == 404:
        return "not found"
    return refusal(error, client().meta.endpoint_url)
