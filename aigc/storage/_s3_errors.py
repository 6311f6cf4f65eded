"""Refusals of an S3 server as one line: its own code and sentence, and the remedy."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any

import botocore.exceptions as boto_errors

from aigc.storage import proxies

_RENEW = "renew AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
_CLOCK = "set this machine's clock, by NTP"
_RESTORE = "restore it (aws s3api restore-object), or copy it to another storage class"
_ROOM = "remove what is not needed, or have the quota raised"
_ACCOUNT = "contact the account's owner"
_ADVICE = {
    "AccessDenied": "check the bucket's policy and what the key may do",
    "AccountProblem": _ACCOUNT,
    "AllAccessDisabled": _ACCOUNT,
    "ExpiredToken": _RENEW,
    "ExpiredTokenException": _RENEW,
    "InsufficientCapacity": "remove what is not needed, or add disks",
    "InvalidAccessKeyId": "check AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL_S3",
    "InvalidObjectState": _RESTORE,
    "InvalidToken": _RENEW,
    "KMS.DisabledException": "enable the bucket's KMS key",
    "NotSignedUp": _ACCOUNT,
    "ObjectLocked": "the bucket's object lock forbids it; choose another place",
    "RequestExpired": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
    "SignatureDoesNotMatch": "check AWS_SECRET_ACCESS_KEY",
    "SlowDown": "try again later",
    "ServiceUnavailable": "try again later",
    "TokenRefreshRequired": _RENEW,
    "UserSuspended": _ACCOUNT,
    "XMinioStorageFull": "remove what is not needed, or add disks",
}
_REGION = (
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
)
_KEYS = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the bucket's policy"
_MOST = 300
"""Characters of a server's sentence."""


def refusal(error: boto_errors.ClientError, endpoint: str) -> str:
    """The answer of the server at `endpoint`, and the remedy where one is known."""
    said, sentence = _said(error), _sentence(error)
    answered = f"S3 answered {said}" + (f": {sentence}" if sentence else "")
    advice = _advice(error)
    if said.isdigit():  # the answer had no body of S3's
        advice += proxies.way_around(endpoint)
        answered += proxies.through(endpoint)
    return f"{answered}; {advice.removeprefix('; ')}" if advice else answered


def _advice(error: boto_errors.ClientError) -> str:
    said, details = _said(error), dict(error.response.get("Error", {}))
    if said in _REGION and details.get("Region"):
        return f"set AWS_REGION={details['Region']}"
    if "quota" in said.lower():
        return _ROOM
    advice = _ADVICE.get(said, _KEYS if said == "403" else "")
    return f"{_clocks(error)}{advice}" if advice == _CLOCK else advice


def _said(error: boto_errors.ClientError) -> str:
    """The code, or the HTTP status: a page of a proxy, say, has no code."""
    return code(error) or str(status(error))


def _clocks(error: boto_errors.ClientError) -> str:
    """How far the clocks are apart, by the Date of the answer; empty if it has none."""
    try:
        theirs = parsedate_to_datetime(_headers(error)["date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return ""
    ahead_s = time.time() - theirs
    return f"this machine's clock is {abs(ahead_s):,.0f} s {'ahead' if ahead_s > 0 else 'behind'}; "


def _headers(error: boto_errors.ClientError) -> dict[str, Any]:
    return dict(error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}))


def _sentence(error: boto_errors.ClientError) -> str:
    """The server's message, on one line and without its full stop."""
    message = str(error.response.get("Error", {}).get("Message") or "")
    shown = "".join(each if each.isprintable() else " " for each in message)
    return " ".join(shown.split())[:_MOST].rstrip(". ")


def code(error: boto_errors.ClientError) -> str:
    """`AccessDenied`; the HTTP status as text where the answer had no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status(error: boto_errors.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
