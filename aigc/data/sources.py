"""Where raw images come from: what is in a source, cut into chunks any worker can read alone."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Protocol

import numpy as np
import numpy.typing as npt

from aigc import storage
from aigc.data import classes, idx
from aigc.data.decode import Pixels, from_array
from aigc.data.notes import NOTHING, Notes
from aigc.errors import DataError, StorageError
from aigc.specs import PrepareSpec
from aigc.types import Json

CHUNK_BYTES = 64 * 2**20
"""Decoded pixels, and encoded bytes, that one worker holds at a time."""
_HASHED_BYTES = 4 * 2**30
_HASH_BYTES = 2**20
_HASH_THREADS = 4
TEST_NAMES = ("test", "val", "valid", "validation")


@dataclass(frozen=True)
class Item:
    """One input: its pixels (height, width, channels), or the reason why there are none."""

    id: str
    label: int
    test: bool
    pixels: Pixels | None
    reason: str = ""
    notes: Notes = NOTHING


class Chunk(Protocol):
    """A part of a source, small to send. `items` yields the same whoever calls it."""

    def items(self, spec: PrepareSpec) -> Iterator[Item]: ...


@dataclass(frozen=True)
class Source:
    labels: tuple[str, ...]
    own_split: bool
    total: int
    """Inputs in all, before any is rejected."""
    size_bytes: int
    chunks: list[Chunk]
    fingerprint: str
    """Changes with the names and the content of the files."""
    about: Json = field(default_factory=dict)
    """From `source.json` beside the data, where there is one: name, licence, url."""
    columns: tuple[str, ...] = ()
    """Those of `notes.COLUMNS` that the source has."""
    files: int = 0
    """Those that `fingerprint` speaks of."""


def lot(seed: int, id: str) -> int:
    """A uniform 64-bit number that depends on nothing but the seed and the id."""
    data = hashlib.blake2b(f"{seed}:{id}".encode(), digest_size=8).digest()
    return int.from_bytes(data, "big")


def chunk_items(spec: PrepareSpec) -> int:
    return max(16, min(2048, CHUNK_BYTES // spec.image_bytes))


def fingerprint(entries: list[storage.Entry]) -> str:
    """Changes with the names and the content of the files, not with their times.

    Of a source on S3 or of more than 4 GiB the sizes and times stand for the content.
    """
    files = sorted(entries, key=lambda entry: entry.key)
    read = sum(entry.size_bytes for entry in files) <= _HASHED_BYTES
    with ThreadPoolExecutor(_HASH_THREADS) as pool:
        states = pool.map(lambda entry: _state(entry, read), files)
        digest = hashlib.blake2b(digest_size=16)
        for entry, state in zip(files, states, strict=True):
            digest.update(f"{entry.key}\0{entry.size_bytes}\0{state}\n".encode())
    return digest.hexdigest()


def _state(entry: storage.Entry, read: bool) -> str:
    """A hash of the file's bytes, else its time."""
    if read and not entry.problem and not storage.is_s3(entry.uri):
        with contextlib.suppress(StorageError), storage.open_input(entry.uri) as stream:
            digest = hashlib.blake2b(digest_size=16)
            while part := stream.read(_HASH_BYTES):
                digest.update(part)
            return digest.hexdigest()
    return f"{entry.modified_s}"


def about(uri: str) -> Json:
    path = storage.join(uri, "source.json")
    if not storage.exists(path):
        return {}
    try:
        value = json.loads(storage.read_bytes(path))
    except ValueError:
        raise DataError(f"{path}: not JSON") from None
    return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class IdxChunk:
    images: storage.Entry
    labels: storage.Entry
    split: str
    numbers: npt.NDArray[np.int64]
    values: npt.NDArray[np.int64]
    """Sorted: the label of each class in the file."""

    def items(self, spec: PrepareSpec) -> Iterator[Item]:
        pixels, labels = _load_idx(self.images, 3), _load_idx(self.labels, 1)
        known = np.searchsorted(self.values, labels)
        for number in self.numbers:
            id = f"{self.split}-{number:08d}"
            test = self.split != "train"
            yield Item(id, int(known[number]), test, from_array(pixels[number], spec))


def open_idx(uri: str, entries: list[storage.Entry], spec: PrepareSpec) -> Source:
    """train-* and t10k-* pairs of image and label files; class names from `labels.txt`, else the
    numbers that occur."""
    found = {}
    for entry in entries:
        match = idx.NAME.match(PurePosixPath(entry.key).name)
        if match:
            found[match[1], match[2]] = entry
    splits = sorted({split for split, _ in found}, reverse=True)
    pairs: dict[str, tuple[storage.Entry, storage.Entry]] = {}
    seen: set[int] = set()
    total = 0
    for split in splits:
        pair = [found.get((split, kind)) for kind in ("images", "labels")]
        if pair[0] is None or pair[1] is None:
            raise DataError(f"{uri}: {split} has only one of its images and labels files")
        images, labels = _load_idx(pair[0], 3), _load_idx(pair[1], 1)
        if len(images) != len(labels):
            raise DataError(f"{uri}: {split} has {len(images):,} images, {len(labels):,} labels")
        total += len(images)
        pairs[split] = pair[0], pair[1]
        seen |= set(np.unique(labels).tolist())
    names, values = _names(uri, sorted(seen))
    chunks: list[Chunk] = []
    for split, (pictures, numbers) in pairs.items():
        count = len(_load_idx(numbers, 1))
        order = np.random.default_rng([spec.seed, count]).permutation(count)
        step = chunk_items(spec)
        chunks += [
            IdxChunk(pictures, numbers, split, order[start : start + step], values)
            for start in range(0, len(order), step)
        ]
    size_bytes = sum(entry.size_bytes for entry in found.values())
    return Source(
        names, len(splits) > 1, total, size_bytes, chunks, fingerprint(entries), about(uri)
    )


def _load_idx(entry: storage.Entry, dimensions: int) -> npt.NDArray[np.uint8]:
    return idx.load(entry.uri, dimensions, entry.size_bytes, entry.modified_s)


def _names(uri: str, seen: list[int]) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Of each class its name and the label it has in the files."""
    path = storage.join(uri, "labels.txt")
    names = classes.read_names(path)
    if names is None:
        return tuple(map(str, seen)), np.array(seen, np.int64)
    if seen and seen[-1] >= len(names):
        counted = "; they start at 1: put a first line for 0" if seen[0] == 1 else ""
        raise DataError(f"{path}: {len(names)} names, but the data has label {seen[-1]}{counted}")
    return names, np.arange(len(names))
