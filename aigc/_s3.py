"""S3 below `storage`: the client, conditional PUT, and errors as one line. Used by storage only."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import botocore.exceptions as boto_errors
import pyarrow.fs as pafs
from botocore.config import Config

from aigc.errors import StorageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_DENIED = {
    "AccessDenied",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "ExpiredToken",
    "403",
}


def split(uri: str) -> tuple[str, str]:
    """`s3://bucket/key` as (bucket, key); the key may be empty."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket:
        raise StorageError(f"{uri!r}: expected s3://BUCKET/PREFIX")
    return bucket, key


@functools.cache
def client() -> S3Client:
    """One client a process. Retries cover lost connections, 5xx and SlowDown."""
    return boto3.Session().client(
        "s3",
        config=Config(
            retries={"mode": "standard", "max_attempts": 8},
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=32,
        ),
    )


@functools.cache
def arrow_filesystem() -> pafs.S3FileSystem:
    """Arrow's own S3 reader, pointed at the endpoint and credentials boto3 resolved."""
    endpoint = client().meta.endpoint_url
    options: dict[str, Any] = {"region": client().meta.region_name or "us-east-1"}
    if ".amazonaws.com" not in endpoint:
        scheme, _, host = endpoint.partition("://")
        options |= {"endpoint_override": host, "scheme": scheme}
    credentials = boto3.Session().get_credentials()
    if credentials is not None and credentials.method in ("env", "shared-credentials-file"):
        frozen = credentials.get_frozen_credentials()
        options |= {
            "access_key": frozen.access_key,
            "secret_key": frozen.secret_key,
            "session_token": frozen.token,
        }
    return pafs.S3FileSystem(connect_timeout=10, request_timeout=60, **options)


def account() -> tuple[str, str | None]:
    credentials = boto3.Session().get_credentials()
    return client().meta.endpoint_url, credentials.method if credentials else None


def exists(uri: str) -> bool:
    bucket, key = split(uri)
    with errors(uri):
        try:
            client().head_object(Bucket=bucket, Key=key)
        except boto_errors.ClientError as error:
            if _status(error) == 404:
                return False
            raise
    return True


def create(uri: str, data: bytes) -> bool:
    """PUT with `If-None-Match: *`. After 412 our own bytes mean an earlier try of ours won."""
    bucket, key = split(uri)
    for attempt in range(8):
        with errors(uri):
            try:
                client().put_object(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*")
            except boto_errors.ClientError as error:
                if _status(error) == 412:
                    return client().get_object(Bucket=bucket, Key=key)["Body"].read() == data
                if _status(error) != 409:
                    raise
                time.sleep(0.05 * 2**attempt)
                continue
        return True
    raise StorageError(f"{uri}: other writers kept it busy (409 eight times); try again")


def require_bucket(uri: str) -> None:
    bucket, _ = split(uri)
    with errors(f"s3://{bucket}"):
        client().head_bucket(Bucket=bucket)


@contextlib.contextmanager
def errors(uri: str) -> Iterator[None]:
    """Botocore's and Arrow's exceptions as a `StorageError` that says what would be right."""
    try:
        yield
    except boto_errors.ClientError as error:
        raise StorageError(_client_message(uri, error)) from None
    except (boto_errors.NoCredentialsError, boto_errors.PartialCredentialsError):
        raise StorageError(
            f"{uri}: no S3 credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from None
    except OSError as error:  # pyarrow's own S3 reader
        raise StorageError(_arrow_message(uri, str(error))) from None
    except boto_errors.BotoCoreError as error:
        endpoint = client().meta.endpoint_url
        raise StorageError(
            f"{uri}: S3 at {endpoint} does not answer ({type(error).__name__}); "
            "check the network and AWS_ENDPOINT_URL_S3"
        ) from None


def _client_message(uri: str, error: boto_errors.ClientError) -> str:
    code = error.response.get("Error", {}).get("Code", "")
    if code in _DENIED or _status(error) == 403:
        return _refused(uri, code)
    bucket, key = split(uri)
    if code == "NoSuchBucket" or (not key and _status(error) == 404):
        return f"{uri}: there is no bucket {bucket!r}; create it or correct the name"
    if _status(error) == 404:
        return f"{uri}: not found"
    return f"{uri}: S3 answered {code}: {error.response.get('Error', {}).get('Message', '')}"


def _arrow_message(uri: str, message: str) -> str:
    if "ACCESS_DENIED" in message or "HTTP status 403" in message:
        return _refused(uri, "ACCESS_DENIED")
    if "NO_SUCH" in message or "404" in message or "does not exist" in message:
        return f"{uri}: not found"
    return f"{uri}: {message}"


def _refused(uri: str, code: str) -> str:
    return (
        f"{uri}: S3 refuses access ({code}); check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
        "the bucket's policy"
    )


def _status(error: boto_errors.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
