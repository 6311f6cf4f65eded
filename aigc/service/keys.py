"""API keys. `aigc-<id>-<secret>` is shown once; only the SHA-256 of the whole is kept.

A key file is JSON Lines, one line a key, and readable by its owner alone; AIGC_KEYS may hold its
path, its s3:// URI or its lines. Secrets have 256 random bits, so a fast hash without salt is
enough: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import shlex
import time
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from aigc import storage
from aigc.errors import SpecError, listed
from aigc.service.errors import KeyRefusedError
from aigc.specs.serve import KEYS_VARIABLE as ENVIRONMENT

SCOPES = ("generate", "batch", "verify", "admin")

_SECRET = re.compile(r"aigc-([0-9a-z]{8})-[0-9A-Za-z]{43}")
LOOKS_LIKE_A_KEY = re.compile(r"aigc-[0-9a-z]{8}-[0-9A-Za-z_%-]+")
_OTHERS = 0o044
"""Permission bits that let the file's group or everybody read it."""
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Key:
    id: str
    hash: str
    """SHA-256 of the key, in hexadecimal."""
    scopes: tuple[str, ...]
    created: str
    images_per_day: int | None = None
    requests_per_minute: int | None = None
    revoked: str | None = None
    """Time of revocation; None for a key in use."""
    note: str = ""


class KeyRing:
    """The keys of a file or of the environment, read again when they change."""

    def __init__(self, source: str) -> None:
        """`source`: a path, an s3:// URI, or the lines themselves.

        Raises:
            SpecError: not a key file. StorageError: not found.
        """
        self._source = source
        self._data = _text_of(source)
        self._keys = {key.id: key for key in parse(self._data, _name(source))}

    def refresh(self) -> None:
        """Read the source again. Raises as `__init__`, and then keeps the present keys."""
        data = _text_of(self._source)
        if data != self._data:
            self._keys = {key.id: key for key in parse(data, _name(self._source))}
            self._data = data

    def check(self, presented: str | None, scope: str | None) -> Key:
        """Authenticate `presented` for `scope` (None: any key). Returns its key.

        Raises:
            KeyRefusedError: it is missing, unknown or revoked, or lacks the scope.
        """
        if not presented:
            raise KeyRefusedError(
                "no API key; send the header Authorization: Bearer aigc-…", code="missing_api_key"
            )
        found = _SECRET.fullmatch(presented)
        key = self._keys.get(found[1]) if found else None
        expected = key.hash if key else "0" * 64
        same = hmac.compare_digest(_hash(presented), expected)
        if key is None or not same or key.revoked:
            raise KeyRefusedError(
                "this API key is invalid or revoked; request one from the operator of the service",
                code="invalid_api_key",
            )
        if scope is not None and scope not in key.scopes:
            raise KeyRefusedError(
                f"this API key has the scopes {', '.join(key.scopes)}; this call requires {scope}",
                code="insufficient_scope",
                forbidden=True,
            )
        return key

    def get(self, name: str, scope: str) -> Key | None:
        """The key with the id `name`, if it is not revoked and has `scope`."""
        key = self._keys.get(name)
        return key if key and not key.revoked and scope in key.scopes else None


def create(
    file: str,
    scopes: Collection[str],
    *,
    images_per_day: int | None = None,
    requests_per_minute: int | None = None,
    note: str = "",
) -> tuple[str, Key]:
    """Add a key to `file`, which may be new. Returns the secret, which is not stored, and the key.

    Raises:
        SpecError: an unknown scope; StorageError: the file cannot be written.
    """
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise SpecError(f"scope = {', '.join(unknown) or 'none'}: choose of {', '.join(SCOPES)}")
    for name, limit in [("images_per_day", images_per_day), ("rpm", requests_per_minute)]:
        if limit is not None and limit < 1:
            raise SpecError(f"{name} = {limit}: at least 1")
    name = secrets.token_hex(4)
    secret = f"aigc-{name}-" + "".join(secrets.choice(_ALPHABET) for _ in range(43))
    ordered = tuple(scope for scope in SCOPES if scope in scopes)
    limits = (images_per_day, requests_per_minute)
    key = Key(name, _hash(secret), ordered, _now(), *limits, note=note)

    def change(data: bytes | None) -> bytes:
        known = _keys(data, file)
        return _lines(known if any(each.id == name for each in known) else [*known, key])

    storage.update(file, change)
    return secret, key


def revoke(file: str, name: str) -> Key:
    """Revoke the key with the id `name`; running endpoints reread the file within seconds.

    Raises:
        SpecError: there is no such key.
    """
    marked = _marked(read(file), name, file)  # fails before a lock file is created

    def change(data: bytes | None) -> bytes:
        nonlocal marked
        keys = _keys(data, file)
        marked = _marked(keys, name, file)
        return _lines(marked if key.id == name else key for key in keys)

    storage.update(file, change)
    return marked


def exposed(source: str) -> str | None:
    """A warning if other users of this machine can read the key file `source`; else None.

    A reader can sign addresses of single images for each key.
    """
    if are_lines(source) or storage.is_s3(source):
        return None
    mode = storage.permissions(source)
    if mode is None or not mode & _OTHERS:
        return None
    return (
        f"{source}: others can read it (mode {mode:04o}) and sign addresses with it; "
        f"chmod 600 {shlex.quote(source)}"
    )


def _marked(keys: Iterable[Key], name: str, file: str) -> Key:
    """The key with the id `name`, revoked. Raises SpecError: there is no such key."""
    keys = list(keys)
    found = next((key for key in keys if key.id == name), None)
    if found is None:
        known = listed([key.id for key in keys]) or "none"
        raise SpecError(f"key = {name!r}: not in {file}; there is: {known}")
    return found if found.revoked else replace(found, revoked=_now())


def read(file: str) -> list[Key]:
    return parse(storage.read_bytes(file).decode(errors="replace"), file)


def parse(text: str, where: str) -> list[Key]:
    """Parse a key file. Raises SpecError with the line's number, never its text."""
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                keys.append(_parsed(json.loads(line)))
            except (ValueError, TypeError, KeyError):
                raise SpecError(
                    f"{where}, line {number}: not a key; make keys with aigc keys"
                ) from None
    return keys


def redact(text: str) -> str:
    """`text` with everything that looks like an API key redacted."""
    return LOOKS_LIKE_A_KEY.sub("aigc-…", text) if "aigc-" in text else text


def from_environment() -> str | None:
    return os.environ.get(ENVIRONMENT) or None


def _parsed(line: dict[str, Any]) -> Key:
    scopes = tuple(line["scopes"])
    if not set(scopes) <= set(SCOPES) or len(line["hash"]) != 64:
        raise ValueError("not a key")
    known = {name: value for name, value in line.items() if name in Key.__dataclass_fields__}
    return Key(**known | {"scopes": scopes})


def are_lines(source: str) -> bool:
    """Whether `source` holds the lines of a key file rather than its path."""
    return source.lstrip().startswith("{")


def _text_of(source: str) -> str:
    if are_lines(source):
        return source
    return storage.read_bytes(source).decode(errors="replace")


def _name(source: str) -> str:
    return ENVIRONMENT if are_lines(source) else source


def _keys(data: bytes | None, file: str) -> list[Key]:
    return parse((data or b"").decode(errors="replace"), file)


def _lines(keys: Iterable[Key]) -> bytes:
    lines = (json.dumps(asdict(key), sort_keys=True) + "\n" for key in keys)
    return "".join(lines).encode()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds")
