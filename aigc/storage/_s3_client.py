"""The S3 client and what it is made of: endpoint, credentials and patience, from the environment.

Used by `_s3` and storage only.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import botocore.exceptions as boto_errors

from aigc.errors import StorageError

if TYPE_CHECKING:  # boto3 takes its time to import, and only S3 needs it
    import boto3
    from mypy_boto3_s3 import S3Client

_SMALL_BYTES = 2**20
_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
)


def _session() -> boto3.Session:
    """With the credentials there are. A proxy that does not answer has none for us: the metadata
    service of the machine, which botocore asks last and through the proxy, is left out then."""
    import boto3  # noqa: PLC0415
    from botocore.session import get_session  # noqa: PLC0415

    _require_clean_variables()
    with _settings():
        core = get_session()
        # botocore reads AWS_DEFAULT_REGION alone; the other kits of AWS read this one first.
        region = os.environ.get("AWS_REGION") or None
        session = boto3.Session(botocore_session=core, region_name=region)
        try:
            session.get_credentials()
        except boto_errors.ProxyConnectionError:
            core.get_component("credential_provider").remove("iam-role")
        return session


def _require_clean_variables() -> None:
    """Raises StorageError where a variable has a blank or line end too many, as files of secrets
    and of Windows do: botocore would sign with it, or find no server."""
    for name in _VARIABLES:
        value = os.environ.get(name, "")
        if value != value.strip():
            raise StorageError(
                f"{name}: there are blanks or line ends around its value; remove them"
            )


@contextlib.contextmanager
def _settings() -> Iterator[None]:
    """What botocore says of the user's settings, which it mostly takes for our mistakes."""
    try:
        yield
    except (ValueError, boto_errors.BotoCoreError) as error:
        raise StorageError(
            f"S3: {str(error).rstrip('.')}; check AWS_ENDPOINT_URL_S3 (http://HOST:PORT), "
            "AWS_PROFILE and AWS_REGION"
        ) from None


@functools.cache
def client() -> S3Client:
    """One client a process. It retries what is quickly over; `patiently` sees to the rest."""
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        retries={"mode": "standard", "total_max_attempts": 3},
        connect_timeout=5,
        read_timeout=seconds("AIGC_S3_TIMEOUT_S", 30),
        max_pool_connections=32,
    )
    session = _session()
    with _settings():
        made = session.client("s3", config=config)
    made.meta.events.register_last("before-call.s3", _send_at_once)
    return made


def _send_at_once(params: dict[str, Any], **_: object) -> None:
    """To ask first whether a body is wanted (Expect: 100-continue) costs a round trip, which is
    longer than to send a small one."""
    from botocore.utils import determine_content_length  # noqa: PLC0415

    length = determine_content_length(params["body"])
    if length is not None and length <= _SMALL_BYTES:
        params["headers"].pop("Expect", None)


def account() -> tuple[str, str | None]:
    credentials = _session().get_credentials()
    return client().meta.endpoint_url, credentials.method if credentials else None


def seconds(name: str, default: float) -> float:
    """The environment's `name`, or `default`. Raises StorageError."""
    given = os.environ.get(name) or str(default)
    with contextlib.suppress(ValueError):
        if 0 < (found := float(given)) < math.inf:
            return found
    raise StorageError(f"{name}={given}: expected a number of seconds above 0")
