"""A folder of picture files as a source: classes are sub-folders or a column of `metadata.csv`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from aigc import storage
from aigc.data import metadata
from aigc.data.classes import class_name, natural
from aigc.data.decode import UnfitError, decode_file
from aigc.data.metadata import Metadata, Row
from aigc.data.notes import NOTHING, Notes
from aigc.data.sources import (
    CHUNK_BYTES,
    TEST_NAMES,
    Chunk,
    Item,
    Source,
    about,
    chunk_items,
    fingerprint,
    lot,
)
from aigc.errors import DataError
from aigc.specs import PrepareSpec

_JUNK = {"thumbs.db", "desktop.ini"}
_NOT_PICTURES = {"source.json", "labels.txt", "README.md", "LICENSE", "SHA256SUMS"}
_READ_THREADS = 4


@dataclass(frozen=True, slots=True)
class PictureFile:
    """One file to read. With a `reason` it is rejected unread."""

    uri: str
    id: str
    label: int
    test: bool
    size_bytes: int
    notes: Notes = NOTHING
    reason: str = ""


@dataclass(frozen=True)
class FileChunk:
    """Files of a folder source, read and decoded by a few threads."""

    files: tuple[PictureFile, ...]

    def items(self, spec: PrepareSpec) -> Iterator[Item]:
        def load(file: PictureFile) -> Item:
            try:
                if file.reason:
                    raise UnfitError(file.reason)
                if file.size_bytes > max(CHUNK_BYTES, 4 * spec.max_pixels):
                    raise UnfitError(f"file of {file.size_bytes:,} bytes, left unread")
                pixels = decode_file(storage.read_bytes(file.uri), spec)
                return Item(file.id, file.label, file.test, pixels, notes=file.notes)
            except UnfitError as reason:
                return Item(file.id, file.label, file.test, None, str(reason))

        with ThreadPoolExecutor(_READ_THREADS) as pool:
            yield from pool.map(load, self.files)


def open_folder(uri: str, entries: list[storage.Entry], spec: PrepareSpec) -> Source:
    """SRC/<class>/…, or SRC/train/<class>/… with SRC/test/<class>/…; bare files have no class.

    Where a `metadata.csv` or `metadata.jsonl` lies in SRC or below, its rows name captions,
    licences, creators and, in a column of labels, the classes.

    Raises:
        DataError: more than one folder to test on, or metadata that cannot be right.
    """
    known = metadata.read(uri, entries, spec)
    files = [entry for entry in entries if _is_input(entry.key)]
    tops = {entry.key.split("/")[0] for entry in files if "/" in entry.key}
    tests = tops & set(TEST_NAMES)
    if len(tests) > 1 and "train" in tops:
        raise DataError(f"{uri}: has train and {' and '.join(sorted(tests))}; keep one to test on")
    own_split = tops == {"train", *tests} and bool(tests)
    files, class_of = _classes(files, known, 1 if own_split else 0)
    names = natural({name for name in class_of.values() if name is not None})
    number = {name: index for index, name in enumerate(names)}
    described = [_missing(key, row) for key, row in _without_file(known, files)]
    for entry in files:
        name = class_of.get(entry.key)
        row = known.rows.get(entry.key, Row())
        unlabelled = "no label in the metadata" if names and name is None else ""
        described.append(
            PictureFile(
                entry.uri,
                entry.key,
                0 if name is None else number[name],
                own_split and entry.key.split("/")[0] in tests,
                entry.size_bytes,
                row.notes,
                row.reason or unlabelled,
            )
        )
    # Shuffled before it is cut, so that each chunk is a fair sample of all classes.
    described.sort(key=lambda one: (lot(spec.seed, one.id), one.id))
    chunks: list[Chunk] = [FileChunk(tuple(part)) for part in _cut(described, chunk_items(spec))]
    return Source(
        names,
        own_split,
        len(described),
        sum(one.size_bytes for one in described),
        chunks,
        fingerprint(entries),
        about(uri),
        known.columns,
    )


def _classes(
    files: list[storage.Entry], known: Metadata, depth: int
) -> tuple[list[storage.Entry], dict[str, str | None]]:
    """The files that count, and each one's class by key; none has one where there are no classes.

    `depth` is 1 below train/ and test/, else 0.
    """
    if known.labelled:
        inside = [entry for entry in files if entry.key.count("/") >= depth]
        return inside, {e.key: known.rows.get(e.key, Row()).label for e in inside}
    classed = [entry for entry in files if entry.key.count("/") > depth]
    if classed:
        return classed, {e.key: class_name(e.key.split("/")[depth]) for e in classed}
    return [entry for entry in files if entry.key.count("/") >= depth], {}


def _without_file(known: Metadata, files: list[storage.Entry]) -> list[tuple[str, Row]]:
    there = {entry.key for entry in files}
    return [(key, row) for key, row in known.rows.items() if key not in there]


def _missing(key: str, row: Row) -> PictureFile:
    reason = "listed in the metadata, but there is no such picture"
    return PictureFile("", key, 0, False, 0, row.notes, reason)


def _is_input(key: str) -> bool:
    parts = key.split("/")
    hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
    at_root = len(parts) == 1 and parts[0] in _NOT_PICTURES
    junk = parts[-1].lower() in _JUNK or metadata.is_metadata(key)
    return not hidden and not at_root and not junk


def _cut(described: list[PictureFile], limit: int) -> Iterator[list[PictureFile]]:
    part: list[PictureFile] = []
    size_bytes = 0
    for one in described:
        if part and (len(part) >= limit or size_bytes + one.size_bytes > CHUNK_BYTES):
            yield part
            part, size_bytes = [], 0
        part.append(one)
        size_bytes += one.size_bytes
    if part:
        yield part
