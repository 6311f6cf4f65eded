"""A folder of IDX files as a source: pairs of images and labels, as MNIST and EMNIST have them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt

from aigc import storage
from aigc.data import archives, classes, idx
from aigc.data.entries import Entries
from aigc.data.sources import Chunk, Input, RawSource, chunk_items
from aigc.errors import DataError, listed, shown
from aigc.modalities.image.reading import from_array
from aigc.modalities.image.spec import PrepareImages
from aigc.specs import PrepareSpec

_NOT_IDX = "not an IDX file"
_NAMES = "labels.txt"
_MAPPING = "-mapping.txt"
"""Of EMNIST: emnist-letters-mapping.txt."""
_TWIN = "packed twin of a file that is read"
_TRANSPOSED = "emnist"
"""Sets whose pictures are stored column by column."""


@dataclass(frozen=True)
class IdxChunk:
    images: storage.Entry
    labels: storage.Entry
    split: str
    numbers: npt.NDArray[np.int64]
    values: npt.NDArray[np.int64]
    """Sorted: the label of each class in the file."""
    transposed: bool = False

    def items(self, spec: PrepareSpec) -> Iterator[Input]:
        pixels, labels = _load(self.images, 3), _load(self.labels, 1)
        pixels = pixels.transpose(0, 2, 1) if self.transposed else pixels
        known = np.searchsorted(self.values, labels)
        for number in self.numbers:
            id = f"{self.split}-{number:08d}"
            test = self.split != "train"
            yield Input(id, int(known[number]), test, from_array(pixels[number], _images(spec)))


def open_idx(uri: str, found: Entries, spec: PrepareSpec) -> RawSource:
    """train-* and t10k-* or test-* pairs of image and label files; class names from `labels.txt`,
    else the numbers that occur.

    Raises:
        DataError: a damaged file, one without its partner, or files of several sets.
    """
    _images(spec)
    files = _files(uri, found)
    name = {match["set"] or "" for match, _ in files.values()}.pop()
    splits = sorted({split for split, _ in files}, reverse=True)
    pairs: dict[str, tuple[storage.Entry, storage.Entry]] = {}
    seen: set[int] = set()
    for split in splits:
        pairs[split] = _pair(uri, files, split)
        seen |= set(np.unique(_load(pairs[split][1], 1)).tolist())
    names, values = _classes(found.files, name, sorted(seen))
    transposed = name.lower().startswith(_TRANSPOSED)
    chunks: list[Chunk] = []
    total = 0
    for split, (pictures, numbers) in pairs.items():
        count = len(_load(numbers, 1))
        total += count
        order = np.random.default_rng([spec.seed, count]).permutation(count)
        step = chunk_items(spec)
        chunks += [
            IdxChunk(pictures, numbers, split, order[start : start + step], values, transposed)
            for start in range(0, len(order), step)
        ]
    turned = "; pictures are turned, as EMNIST stores them" if transposed else ""
    return RawSource(
        names,
        len(splits) > 1,
        total,
        sum(entry.size_bytes for _, entry in files.values()),
        chunks,
        reading=f"IDX: {listed(splits)}; {classes.counted(len(names))} ({listed(names, 5)})"
        + turned,
    )


def _images(spec: PrepareSpec) -> PrepareImages:
    """Raises DataError when the spec is of another kind of content."""
    if not isinstance(spec, PrepareImages):
        raise DataError(
            f"modality = {spec.modality!r}: {spec.source} holds IDX files, which are pictures; "
            "set modality = image"
        )
    return spec


def _files(uri: str, found: Entries) -> dict[tuple[str, str], tuple[dict[str, str], storage.Entry]]:
    """The IDX files by (split, images or labels)."""
    named = found.ignored.keep(found.files, lambda key: "" if _is_read(key) else _NOT_IDX)
    files: dict[tuple[str, str], tuple[dict[str, str], storage.Entry]] = {}
    sets: set[str] = set()
    # What is not packed comes first.
    for entry in sorted(named, key=lambda entry: (entry.key.endswith(".gz"), entry.key)):
        match = idx.NAME.match(PurePosixPath(entry.key).name)
        if match is None:
            continue
        parts = match.groupdict()
        sets.add(parts["set"] or "")
        kind = parts["split"].lower(), parts["kind"].lower()
        if kind not in files or parts["set"] != files[kind][0]["set"]:
            files[kind] = parts, entry
        elif entry.key == f"{files[kind][1].key}.gz":
            found.ignored.add(_TWIN, entry.key)
        else:
            raise DataError(
                f"{uri}: {shown(files[kind][1].key)} and {shown(entry.key)} are both {kind[0]} "
                f"{kind[1]}; leave one out with ignore"
            )
    if len(sets) > 1:
        names = listed([shown(name) or "(no name)" for name in sorted(sets)])
        raise DataError(
            f"{uri}: holds several sets: {names}; leave the others out, for example "
            f"--set 'ignore=[{shown(sorted(sets)[-1])}-*]'"
        )
    return files


def _is_read(key: str) -> bool:
    name = PurePosixPath(key).name
    return bool(idx.NAME.match(name)) or key == _NAMES or name.lower().endswith(_MAPPING)


def _pair(
    uri: str,
    files: dict[tuple[str, str], tuple[dict[str, str], storage.Entry]],
    split: str,
) -> tuple[storage.Entry, storage.Entry]:
    pictures, numbers = files.get((split, "images")), files.get((split, "labels"))
    if pictures is None or numbers is None:
        raise DataError(f"{uri}: {split} has only one of its images and labels files")
    images, labels = _load(pictures[1], 3), _load(numbers[1], 1)
    if len(images) != len(labels):
        raise DataError(f"{uri}: {split} has {len(images):,} images, {len(labels):,} labels")
    return pictures[1], numbers[1]


def _load(entry: storage.Entry, dimensions: int) -> npt.NDArray[np.uint8]:
    return idx.load(entry.uri, dimensions, entry.size_bytes, entry.modified_s)


def _classes(
    files: Sequence[storage.Entry], set_name: str, seen: list[int]
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Of each class its name and the label it has in the files."""
    if listing := next((entry for entry in files if entry.key == _NAMES), None):
        names = classes.names_in(archives.read_bytes(listing.uri), shown(listing.key))
        if seen and seen[-1] >= len(names):
            counted = "; they start at 1: put a first line for 0" if seen[0] == 1 else ""
            raise DataError(
                f"{shown(listing.key)}: {len(names)} names, but the data has label {seen[-1]}"
                f"{counted}"
            )
        return names, np.arange(len(names))
    wanted = f"{set_name}{_MAPPING}".lower()
    for entry in files:
        if PurePosixPath(entry.key).name.lower() in (wanted, _MAPPING[1:]):
            return _mapped(entry, seen)
    return tuple(map(str, seen)), np.array(seen, np.int64)


def _mapped(entry: storage.Entry, seen: list[int]) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """The classes by EMNIST's mapping, whose lines have a label and the codes of its letters."""
    where = shown(entry.key)
    names: dict[int, str] = {}
    for number, line in enumerate(
        classes.plain_text(archives.read_bytes(entry.uri), where).splitlines(), 1
    ):
        cells = line.split()
        codes = [int(cell) for cell in cells if cell.isdecimal() and int(cell) < sys.maxunicode]
        if len(codes) != len(cells) or len(codes) == 1:
            raise DataError(
                f"{where}, line {number}: expected a label and the codes of its letters, as in "
                "1 65 97"
            )
        if codes:
            names[codes[0]] = "".join(map(chr, codes[1:]))
    if unnamed := [label for label in seen if label not in names]:
        raise DataError(f"{where}: has no line for label {unnamed[0]}, which the data has")
    labels = sorted(names)
    return classes.distinct([names[label] for label in labels], where), np.array(labels, np.int64)
