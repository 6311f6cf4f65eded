"""An audit log on S3: `PREFIX/000000000001.json`, one line an object, created only if absent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aigc import storage
from aigc.audit.entries import Head, head_of
from aigc.audit.local_file import Follow
from aigc.errors import AuditError

_TRIES = 100


def append(uri: str, lines: Sequence[Follow]) -> Head:
    """Add `lines` one by one; of several writers each gets numbers of its own.

    Raises:
        StorageError: the store cannot be written.
        AuditError: it cannot create objects only if they are absent, or an object is damaged.
    """
    if not storage.can_create(uri):
        raise AuditError(f"{uri}: this store has no conditional PUT; use a file as audit log")
    head = _head(uri, _last_number(uri))
    for follow in lines:
        head = _added(uri, head, follow)
    return head


def read(uri: str) -> Iterator[bytes]:
    """The lines in the order of their numbers."""
    for name in sorted(name for name in storage.names(uri) if name.endswith(".json")):
        yield storage.read_bytes(storage.join(uri, name))


def _added(uri: str, head: Head, follow: Follow) -> Head:
    for _ in range(_TRIES):
        line = follow(head)
        if storage.create(_object(uri, head.number + 1), line):
            found = head_of(line)
            assert found is not None
            return found
        head = _head(uri, head.number + 1)
    raise AuditError(f"{uri}: other writers were faster {_TRIES} times; try again")


def _last_number(uri: str) -> int:
    """Of the objects, which are numbered without gaps: by doubling, then by halves."""
    high = 1
    while storage.exists(_object(uri, high)):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if storage.exists(_object(uri, middle)) else (low, middle)
    return low


def _head(uri: str, number: int) -> Head:
    if not number:
        return Head()
    found = head_of(storage.read_bytes(_object(uri, number)))
    if found is None or found.number != number:
        raise AuditError(f"{_object(uri, number)}: damaged; see `aigc audit verify {uri}`")
    return found


def _object(uri: str, number: int) -> str:
    return storage.join(uri, f"{number:012d}.json")
