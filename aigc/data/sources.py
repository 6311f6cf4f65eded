"""Where raw images come from: what is in a source, cut into chunks any worker can read alone."""

from __future__ import annotations

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
from aigc.data import idx
from aigc.data.decode import Pixels, UnfitError, decode_file, from_array
from aigc.errors import DataError
from aigc.specs import PrepareSpec
from aigc.types import Json

CHUNK_BYTES = 64 * 2**20
"""Decoded pixels, and encoded bytes, that one worker holds at a time."""
TEST_NAMES = ("test", "val", "valid", "validation")
_JUNK = {"thumbs.db", "desktop.ini"}
_READ_THREADS = 4


@dataclass(frozen=True)
class Item:
    """One input: its pixels (size, size, channels), or the reason why there are none."""

    id: str
    label: int
    test: bool
    pixels: Pixels | None
    reason: str = ""


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
    """Changes with the names, sizes and times of the files."""
    about: Json = field(default_factory=dict)
    """From `source.json` beside the data, where there is one: name, licence, url."""


def lot(seed: int, id: str) -> int:
    """A uniform 64-bit number that depends on nothing but the seed and the id."""
    data = hashlib.blake2b(f"{seed}:{id}".encode(), digest_size=8).digest()
    return int.from_bytes(data, "big")


def chunk_items(spec: PrepareSpec) -> int:
    return max(16, min(2048, CHUNK_BYTES // (spec.size**2 * spec.channels)))


def fingerprint(entries: list[storage.Entry]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for entry in sorted(entries, key=lambda entry: entry.key):
        digest.update(f"{entry.key}:{entry.size_bytes}:{entry.modified_s}\n".encode())
    return digest.hexdigest()


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
class FileChunk:
    """Files of a folder source, read and decoded by a few threads."""

    entries: tuple[tuple[str, str, int, bool, int], ...]
    """(uri, id, label, test, size in bytes)"""

    def items(self, spec: PrepareSpec) -> Iterator[Item]:
        def load(entry: tuple[str, str, int, bool, int]) -> Item:
            uri, id, label, test, size_bytes = entry
            try:
                if size_bytes > max(CHUNK_BYTES, 4 * spec.max_pixels):
                    raise UnfitError(f"file of {size_bytes:,} bytes, left unread")
                return Item(id, label, test, decode_file(storage.read_bytes(uri), spec))
            except UnfitError as reason:
                return Item(id, label, test, None, str(reason))

        with ThreadPoolExecutor(_READ_THREADS) as pool:
            yield from pool.map(load, self.entries)


def open_folder(uri: str, entries: list[storage.Entry], spec: PrepareSpec) -> Source:
    """SRC/<class>/…, or SRC/train/<class>/… with SRC/test/<class>/…; bare files have no class."""
    files = [entry for entry in entries if _is_input(entry.key)]
    tops = {entry.key.split("/")[0] for entry in files if "/" in entry.key}
    tests = tops & set(TEST_NAMES)
    if len(tests) > 1 and "train" in tops:
        raise DataError(f"{uri}: has train and {' and '.join(sorted(tests))}; keep one to test on")
    own_split = tops == {"train", *tests} and bool(tests)
    depth = 1 if own_split else 0
    classed = [entry for entry in files if entry.key.count("/") > depth]
    if not classed:
        classed = [entry for entry in files if not own_split or "/" in entry.key]
        names: tuple[str, ...] = ()
    else:
        names = natural({entry.key.split("/")[depth] for entry in classed})
    number = {name: index for index, name in enumerate(names)}
    described = [
        (
            entry.uri,
            entry.key,
            number[entry.key.split("/")[depth]] if names else 0,
            own_split and entry.key.split("/")[0] in tests,
            entry.size_bytes,
        )
        for entry in classed
    ]
    # Shuffled before it is cut, so that each chunk is a fair sample of all classes.
    described.sort(key=lambda one: (lot(spec.seed, one[1]), one[1]))
    chunks: list[Chunk] = [FileChunk(tuple(part)) for part in _cut(described, chunk_items(spec))]
    total_bytes = sum(one[4] for one in described)
    return Source(
        names, own_split, len(described), total_bytes, chunks, fingerprint(entries), about(uri)
    )


def natural(names: set[str]) -> tuple[str, ...]:
    """Sorted; as numbers when all of them are."""
    if all(name.isdecimal() for name in names):
        return tuple(sorted(names, key=int))
    return tuple(sorted(names))


@dataclass(frozen=True)
class IdxChunk:
    images: storage.Entry
    labels: storage.Entry
    split: str
    numbers: npt.NDArray[np.int64]

    def items(self, spec: PrepareSpec) -> Iterator[Item]:
        pixels, labels = _load_idx(self.images, 3), _load_idx(self.labels, 1)
        for number in self.numbers:
            id = f"{self.split}-{number:08d}"
            yield Item(
                id, int(labels[number]), self.split != "train", from_array(pixels[number], spec)
            )


def open_idx(uri: str, entries: list[storage.Entry], spec: PrepareSpec) -> Source:
    """train-* and t10k-* pairs of image and label files; class names from `labels.txt`."""
    found = {}
    for entry in entries:
        match = idx.NAME.match(PurePosixPath(entry.key).name)
        if match:
            found[match[1], match[2]] = entry
    splits = sorted({split for split, _ in found}, reverse=True)
    chunks: list[Chunk] = []
    highest = total = 0
    for split in splits:
        pair = [found.get((split, kind)) for kind in ("images", "labels")]
        if pair[0] is None or pair[1] is None:
            raise DataError(f"{uri}: {split} has only one of its images and labels files")
        images, labels = _load_idx(pair[0], 3), _load_idx(pair[1], 1)
        if len(images) != len(labels):
            raise DataError(f"{uri}: {split} has {len(images):,} images, {len(labels):,} labels")
        total += len(images)
        highest = max(highest, int(labels.max(initial=0)))
        order = np.random.default_rng([spec.seed, len(images)]).permutation(len(images))
        step = chunk_items(spec)
        chunks += [
            IdxChunk(pair[0], pair[1], split, order[start : start + step])
            for start in range(0, len(order), step)
        ]
    names = _names(uri, highest)
    size_bytes = sum(entry.size_bytes for entry in found.values())
    return Source(
        names, len(splits) > 1, total, size_bytes, chunks, fingerprint(entries), about(uri)
    )


def _load_idx(entry: storage.Entry, dimensions: int) -> npt.NDArray[np.uint8]:
    return idx.load(entry.uri, dimensions, entry.size_bytes, entry.modified_s)


def _names(uri: str, highest: int) -> tuple[str, ...]:
    path = storage.join(uri, "labels.txt")
    if not storage.exists(path):
        return tuple(str(number) for number in range(highest + 1))
    names = tuple(storage.read_bytes(path).decode("utf-8", "replace").split("\n"))
    names = tuple(name.strip() for name in names if name.strip())
    if highest >= len(names):
        raise DataError(f"{path}: {len(names)} names, but the data has label {highest}")
    return names


def _is_input(key: str) -> bool:
    parts = key.split("/")
    hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
    at_root = len(parts) == 1 and parts[0] in ("source.json", "labels.txt", "README.md", "LICENSE")
    return not hidden and not at_root and parts[-1].lower() not in _JUNK


def _cut(
    described: list[tuple[str, str, int, bool, int]], limit: int
) -> Iterator[list[tuple[str, str, int, bool, int]]]:
    part: list[tuple[str, str, int, bool, int]] = []
    size_bytes = 0
    for one in described:
        if part and (len(part) >= limit or size_bytes + one[4] > CHUNK_BYTES):
            yield part
            part, size_bytes = [], 0
        part.append(one)
        size_bytes += one[4]
    if part:
        yield part
