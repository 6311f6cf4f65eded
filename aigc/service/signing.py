"""Signed addresses, which need no header until they expire: ?key=ID&expires=SECONDS&signature=HMAC

An <img> cannot send an API key, so the owner of a key receives addresses signed for that key. The
signing secret is derived from the hash in the key file: nothing else is stored, every replica can
verify, and revoking a key revokes its addresses. A reader of the key file can sign addresses of
single images, but cannot derive the key.
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
    """Verify the signature of the decoded `path` and its `query`; returns the key.

    Raises:
        KeyRefusedError: not signed by a valid key, modified, or expired.
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
    """HMAC over the decoded address, so that equivalent spellings are valid."""
    secret = hmac.digest(key.hash.encode(), _PURPOSE, hashlib.sha256)
    meant = [path, sorted(pair for pair in pairs if pair[0] != "signature")]
    return hmac.new(secret, json.dumps(meant).encode(), hashlib.sha256).hexdigest()
