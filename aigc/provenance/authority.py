"""The time-stamp authority (RFC 3161), asked once before the first item."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import urllib.error
import urllib.request

from asn1crypto import tsp

from aigc.errors import CredentialsError

MOST_SKEW_S = 300
"""Seconds by which the clocks of this machine and of the authority may differ. A time stamp from
outside the certificate's validity would make every signature invalid."""
WAIT_S = 20.0
_MOST_BYTES = 2**20


class ClockSkewError(CredentialsError):
    """The clocks of this machine and of the authority differ too much."""


def check(url: str, now: dt.datetime | None = None, wait_s: float = WAIT_S) -> None:
    """Ask for a time stamp and compare clocks.

    Raises CredentialsError, in one line, if the authority does not answer or refuses, and
    ClockSkewError if its time differs from this machine's by more than `MOST_SKEW_S`.
    """
    time = _time(_answer(url, wait_s), url)
    here = now or dt.datetime.now(dt.UTC)
    skew_s = abs((here - time).total_seconds())
    if skew_s > MOST_SKEW_S:
        raise ClockSkewError(
            f"credentials.authority {url}: its clock says {time:%Y-%m-%d %H:%M:%S} UTC, this "
            f"machine's {here:%Y-%m-%d %H:%M:%S} UTC; correct the clock that is wrong"
        )


def _answer(url: str, wait_s: float) -> bytes:
    query = _query()
    headers = {"Content-Type": "application/timestamp-query"}
    request = urllib.request.Request(url, query, headers)
    try:
        with urllib.request.urlopen(request, timeout=wait_s) as reply:
            data: bytes = reply.read(_MOST_BYTES)
            return data
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise CredentialsError(
            f"credentials.authority {url} does not answer: {reason}; start it, correct the URL, or "
            "sign without time stamps by leaving authority out"
        ) from None


def _query() -> bytes:
    """A time-stamp request over some bytes, with the authority's certificate in the answer."""
    imprint = {
        "hash_algorithm": {"algorithm": "sha256"},
        "hashed_message": hashlib.sha256(b"aigc").digest(),
    }
    fields = {
        "version": "v1",
        "message_imprint": imprint,
        "nonce": secrets.randbits(63),
        "cert_req": True,
    }
    query: bytes = tsp.TimeStampReq(fields).dump()
    return query


def _time(reply: bytes, url: str) -> dt.datetime:
    try:
        found = tsp.TimeStampResp.load(reply)
        status = found["status"]["status"].native
        if not status.startswith("granted"):
            raise ValueError(f"status {status}")
        info = found["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed
        time: dt.datetime = info["gen_time"].native
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CredentialsError(
            f"credentials.authority {url} does not answer as RFC 3161 says: {error}"
        ) from None
    return time
