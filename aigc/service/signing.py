"""Addresses that open without a header, for a while: ?key=ID&expires=SECONDS&signature=HMAC.

An <img> cannot send an API key, so a key's owner is handed addresses signed in the key's name. The
secret follows from the hash that the key file holds: nothing more is kept, every replica can check,
and a revoked key takes its addresses with it. Who can read the key file could sign addresses, too,
of single pictures and nothing else; the key itself cannot be told from it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote, urlencode

from aigc.service.errors import KeyRefusedError
from aigc.service.keys import Key, KeyRing

PARAMETERS = ("key", "expires", "signature")
SCOPE = "generate"

_PURPOSE = b"aigc signed address 1"


def sign(address: str, key: Key, expires: int) -> str:
    """`address`, a path with or without a query, signed until `expires` (seconds since 1970)."""
    path, _, query = address.partition("?")
    pairs = [*parse_qsl(query), ("key", key.id), ("expires", str(expires))]
    pairs.append(("signature", _signature(key, unquote(path), pairs)))
    return f"{path}?{urlencode(pairs)}"


def is_signed(query: bytes) -> bool:
    return b"signature=" in query


def check(ring: KeyRing, path: str, query: bytes, now: float | None = None) -> Key:
    """The key in whose name the decoded `path` and its `query` are signed.

    Raises:
        KeyRefusedError: not signed by a key that may still be used, changed since, or expired.
    """
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    said = dict(pairs)
    key = ring.get(said.get("key", ""), SCOPE)
    expected = _signature(key, path, pairs) if key else "0" * 64
    given = said.get("signature", "").encode(errors="replace")
    if key is None or not hmac.compare_digest(given, expected.encode()):
        raise KeyRefusedError(
            "this address's signature is not valid; ask for a new address",
            code="invalid_signature",
        )
    if int(said["expires"]) <= (time.time() if now is None else now):
        raise KeyRefusedError("this address has expired; ask for a new one", code="expired_address")
    return key


def _signature(key: Key, path: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Over what the address means, so that another spelling of it is as good."""
    secret = hmac.digest(key.hash.encode(), _PURPOSE, hashlib.sha256)
    meant = [path, sorted(pair for pair in pairs if pair[0] != "signature")]
    return hmac.new(secret, json.dumps(meant).encode(), hashlib.sha256).hexdigest()
