"""What a source of raw files is: its classes, and chunks that any worker can read alone."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from aigc import storage
from aigc.data import layout
from aigc.data.kinds import source_of
from aigc.data.notes import NOTHING, Notes
from aigc.errors import StorageError
from aigc.modalities.base import Items
from aigc.specs import PrepareSpec
from aigc.types import Json

CHUNK_BYTES = 64 * 2**20
"""Of items, and of encoded files, that one worker holds at a time."""
_HASHED_BYTES = 4 * 2**30
_HASH_BYTES = 2**20
_HASH_THREADS = 4


@dataclass(frozen=True)
class Input:
    """One file or row of a source: its item, or the reason why there is none."""

    id: str
    label: int
    test: bool
    item: Items | None
    reason: str = ""
    notes: Notes = NOTHING


class Chunk(Protocol):
    """A part of a source, small to send. `items` yields the same whoever calls it."""

    def items(self, spec: PrepareSpec) -> Iterator[Input]: ...


@dataclass(frozen=True)
class RawSource:
    labels: tuple[str, ...]
    own_split: bool
    total: int
    """Inputs in all, before any is rejected."""
    size_bytes: int
    chunks: list[Chunk]
    fingerprint: str = ""
    """Changes with the names and the content of the files."""
    about: Json = field(default_factory=dict)
    """From `source.json` beside the data, where there is one: name, licence, url."""
    columns: tuple[str, ...] = ()
    """Those of `notes.COLUMNS` that the source has."""
    reading: str = ""
    """How the source was understood, in one line."""
    ignored: dict[str, int] = field(default_factory=dict)
    """Entries that were left out, by reason."""
    terms: str = ""
    """URI of its file LICENSE; empty when it has none."""
    files: int = 0
    """Those that `fingerprint` speaks of."""


def lot(seed: int, id: str) -> int:
    """A uniform 64-bit number that depends on nothing but the seed and the id."""
    data = hashlib.blake2b(f"{seed}:{id}".encode(), digest_size=8).digest()
    return int.from_bytes(data, "big")


def chunk_items(spec: PrepareSpec) -> int:
    return max(16, min(2048, CHUNK_BYTES // source_of(spec).item(spec).size_bytes))


def fingerprint(entries: Sequence[storage.Entry]) -> str:
    """Changes with the names and the content of the files, not with their times.

    Of a source on S3 the ETags stand for the content, of one of more than 4 GiB sizes and times.
    """
    files = sorted((e for e in entries if not _is_cache(e.key)), key=lambda entry: entry.key)
    read = sum(entry.size_bytes for entry in files) <= _HASHED_BYTES
    with ThreadPoolExecutor(_HASH_THREADS) as pool:
        states = pool.map(lambda entry: _state(entry, read), files)
        digest = hashlib.blake2b(digest_size=16)
        for entry, state in zip(files, states, strict=True):
            digest.update(f"{entry.key}\0{entry.size_bytes}\0{state}\n".encode())
    return digest.hexdigest()


def _is_cache(key: str) -> bool:
    """Whether evaluation keeps it in a data set, which can be a source, too."""
    return key.startswith(f"{layout.CACHE}/") and key.endswith(".npz")


def _state(entry: storage.Entry, read: bool) -> str:
    """A hash of the file's bytes, else the store's tag or its time."""
    if read and not storage.is_s3(entry.uri):
        with contextlib.suppress(StorageError), storage.open_input(entry.uri) as stream:
            digest = hashlib.blake2b(digest_size=16)
            while part := stream.read(_HASH_BYTES):
                digest.update(part)
            return digest.hexdigest()
    return entry.tag or f"{entry.modified_s}"
