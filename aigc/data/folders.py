"""A folder of input files as a source: classes are sub-folders or stand in a table."""

from __future__ import annotations

from collections.abc import Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from aigc import storage
from aigc.conditions.names import class_name
from aigc.data import archives, folder_reading, metadata, sidecars, structure
from aigc.data.classes import natural, require_few
from aigc.data.entries import DESCRIBES, DOCUMENT, Entries, is_document
from aigc.data.kinds import source_of
from aigc.data.label_cells import Spellings
from aigc.data.metadata import Metadata, Row
from aigc.data.notes import COLUMNS, NOTHING, Notes
from aigc.data.sidecars import Sidecars
from aigc.data.sources import CHUNK_BYTES, Chunk, Input, RawSource, chunk_items, lot
from aigc.data.structure import UNUSED, Structure, role_of
from aigc.errors import DataError, listed, shown
from aigc.modalities.base import RejectError
from aigc.modalities.prepare_spec import Role
from aigc.specs import PrepareSpec

_UNLABELLED = "in a folder of files without labels"
_ARCHIVE = "an archive among other files; unpack it, or make it a source of its own"
_OUTSIDE_CLASSES = "lies next to the class folders, so it has no class"
_OUTSIDE_SPLITS = "lies next to the folders of the splits"
_NO_LABEL = "no label in the metadata"
_NO_FILE = "listed in the metadata, but the file does not exist"
_READ_THREADS = 4


@dataclass(frozen=True, slots=True)
class RawFile:
    """One file to read. With a `reason` it is rejected unread."""

    uri: str
    id: str
    label: int
    test: bool
    size_bytes: int
    notes: Notes = NOTHING
    reason: str = ""
    side_files: tuple[storage.Entry, ...] = ()
    """Files next to it that describe it."""


@dataclass(frozen=True)
class FileChunk:
    """Files of a folder source, read and decoded by a few threads."""

    files: tuple[RawFile, ...]

    def items(self, spec: PrepareSpec) -> Iterator[Input]:
        source = source_of(spec)

        def load(file: RawFile) -> Input:
            try:
                if file.reason:
                    raise RejectError(file.reason)
                if file.size_bytes > source.most_file_bytes(spec):
                    raise RejectError(f"file of {file.size_bytes:,} bytes, left unread")
                said = _joined(file.notes, sidecars.read(file.side_files, spec))
                item = source.read(archives.read_bytes(file.uri), spec)
                return Input(file.id, file.label, file.test, item, notes=said)
            except RejectError as reason:
                return Input(file.id, file.label, file.test, None, str(reason))

        with ThreadPoolExecutor(_READ_THREADS) as pool:
            yield from pool.map(load, self.files)


def open_folder(
    uri: str, found: Entries, spec: PrepareSpec, shards: dict[str, Role] | None = None
) -> RawSource:
    """SRC/<class>/…, or SRC/train/<class>/… with SRC/test/<class>/…, and what else
    `structure.recognise` knows; bare files have no class. Tables and side files name captions,
    licences, creators and classes. `shards` are top folders that stand for one file of a set each.

    Raises:
        DataError: a layout that could mean two things, or a table that cannot be right.
    """
    known = metadata.read(uri, found.files, spec)
    candidates = [e for e in found.files if not is_document(e.key) and e.key not in known.files]
    side_files = sidecars.find(found.files, candidates, spec)
    described = known.files | side_files.files
    inputs = _inputs(found, described)
    read_as, side_files, labelled = _structure(uri, inputs, known, side_files, spec, shards)
    placing = _Placing(spec, found, known, side_files, read_as, labelled)
    placing.place_all(inputs)
    names = natural(set(placing.classes.values()))
    require_few(len(names), spec.source, names)
    files = placing.numbered(names)
    sides = {file.test for file in files if not file.reason}
    if sides == {True}:
        raise DataError(f"{uri}: all files are to test on; set splits to name those to train on")
    # Shuffled before it is cut, so that each chunk is a fair sample of all classes.
    files.sort(key=lambda one: (lot(spec.seed, one.id), one.id))
    chunks: list[Chunk] = [FileChunk(tuple(part)) for part in _cut(files, chunk_items(spec))]
    return RawSource(
        names,
        len(sides) == 2,
        len(files),
        sum(one.size_bytes for one in files),
        chunks,
        columns=tuple(n for n in COLUMNS if n in {*known.columns, *side_files.columns}),
        reading=folder_reading.line(
            names,
            known,
            side_files,
            read_as,
            folder_reading.unread(found, described, spec),
            placing.spellings.told,
        ),
    )


def _inputs(found: Entries, described: Set[str]) -> list[storage.Entry]:
    """The files that may be inputs; all others are counted as ignored."""

    def reason(key: str) -> str:
        return DESCRIBES if key in described else DOCUMENT if is_document(key) else ""

    return found.ignored.keep(found.files, reason)


def _structure(
    uri: str,
    inputs: list[storage.Entry],
    known: Metadata,
    side_files: Sidecars,
    spec: PrepareSpec,
    shards: dict[str, Role] | None,
) -> tuple[Structure, Sidecars, bool]:
    """How the paths are read; the side files, with the labels of JSON where nothing else names the
    classes; and whether a table or side files name them."""
    keys = [entry.key for entry in inputs]

    def recognise(named: bool) -> Structure:
        """`named`: folders are not classes."""
        if shards is not None:
            return Structure(0, {}, shards, "")
        return structure.recognise(uri, keys, spec, named, bool(known.splits))

    labelled = known.labelled or bool(side_files.labels)
    read_as = recognise(labelled or known.unlabelled)
    if not labelled and not read_as.has_classes:
        side_files = side_files.with_json_labels()
        if labelled := bool(side_files.labels):
            read_as = recognise(True)
    if labelled:
        read_as = _without_unlabelled(read_as, inputs, known.labels | side_files.labels)
    return read_as, side_files, labelled


def _without_unlabelled(
    read_as: Structure, inputs: list[storage.Entry], labels: dict[str, str]
) -> Structure:
    """`read_as` without splits to test on of which no input has a label, as competitions have."""
    labelled = {read_as.folder(entry.key) for entry in inputs if entry.key in labels}
    roles = dict(read_as.roles)
    gone = [name for name, role in roles.items() if role == "test" and name not in labelled]
    if not gone:
        return read_as
    told = f"{listed([shown(name) for name in gone], 3)} ignored: no file in it has a label"
    for name in gone:
        roles[name] = "ignore"
    return replace(read_as, roles=roles, told="; ".join(filter(None, [read_as.told, told])))


@dataclass
class _Placing:
    """Gives each input its class and split, or the reason why it has none."""

    spec: PrepareSpec
    found: Entries
    known: Metadata
    side_files: Sidecars
    read_as: Structure
    labelled: bool
    """A table or side files name the classes, not folders."""
    files: list[RawFile] = field(default_factory=list)
    classes: dict[str, str] = field(default_factory=dict)
    """By the input's key."""
    spellings: Spellings = field(default_factory=Spellings)

    def place_all(self, inputs: list[storage.Entry]) -> None:
        if self.labelled:
            self.spellings.update(self.known.spellings)
            self.spellings.update(self.side_files.spellings)
        for entry in inputs:
            self._place(entry)
        self._place_unreadable()

    def _place(self, entry: storage.Entry) -> None:
        row = self.known.rows.get(entry.key, Row())
        role = row.role or self.read_as.role(entry.key)
        outside = row.role is None and self.read_as.is_outside(entry.key)
        if role == "ignore" and not outside:
            self.found.ignored.add(UNUSED, entry.key)
            return
        name = self._class(entry, row)
        if name and not self.labelled and role_of(name) == "ignore" and self.spec.splits is None:
            self.found.ignored.add(_UNLABELLED, entry.key)
            return
        if name:
            self.classes[entry.key] = name
        reason = row.reason or (_OUTSIDE_SPLITS if outside else "")
        reason = _ARCHIVE if archives.is_archive(entry.key) else reason
        place = (entry.uri, entry.key, 0, role == "test", entry.size_bytes, row.notes, reason)
        self.files.append(RawFile(*place, self.side_files.of.get(entry.key, ())))

    def _place_unreadable(self) -> None:
        """What is there but cannot be read, and what a table lists but is not there."""
        for entry in self.found.unreadable:
            if is_document(entry.key):
                self.found.ignored.add(DOCUMENT, entry.key)
            else:
                self.files.append(_rejected(entry.key, entry.problem))
        there = {file.id for file in self.files} | {key for key, _ in self.found.ignored.entries}
        for key, row in self.known.rows.items():
            if key not in there and row.role != "ignore":
                self.files.append(_rejected(key, _NO_FILE, row.notes))

    def numbered(self, names: tuple[str, ...]) -> list[RawFile]:
        """The files with their classes as numbers; where there are classes, one without is
        rejected."""
        number = {name: index for index, name in enumerate(names)}
        without = _NO_LABEL if self.labelled else _OUTSIDE_CLASSES
        done = []
        for file in self.files:
            name = self.classes.get(file.id)
            reason = file.reason or (without if names and name is None else "")
            label = 0 if name is None else number[name]
            same = label == file.label and reason == file.reason
            done.append(file if same else replace(file, label=label, reason=reason))
        return done

    def _class(self, entry: storage.Entry, row: Row) -> str | None:
        level = None if self.labelled else self.read_as.class_at(entry.key)
        if level is None:
            return row.label or self.side_files.labels.get(entry.key)
        folder = _folder_name(entry, level)
        name = class_name(folder)
        self.spellings.add(folder, name)
        return name


def _rejected(key: str, reason: str, said: Notes = NOTHING) -> RawFile:
    return RawFile("", key, 0, False, 0, said, reason)


def _folder_name(entry: storage.Entry, level: int) -> str:
    """The name of the folder at `level` of the key. Raises DataError when it is not UTF-8."""
    below = len(entry.key.split("/")) - level
    name = entry.uri.split("/")[-below] if "\0" not in entry.uri else ""
    try:
        name.encode()
    except UnicodeEncodeError:
        path = "/".join(entry.key.split("/")[: level + 1])
        raise DataError(
            f"{shown(path)}: the name of a class that is not UTF-8; rename the folder"
        ) from None
    return entry.key.split("/")[level]


def _joined(first: Notes, second: Notes) -> Notes:
    return Notes(**{name: getattr(first, name) or getattr(second, name) for name in COLUMNS})


def _cut(described: list[RawFile], limit: int) -> Iterator[list[RawFile]]:
    part: list[RawFile] = []
    size_bytes = 0
    for one in described:
        if part and (len(part) >= limit or size_bytes + one.size_bytes > CHUNK_BYTES):
            yield part
            part, size_bytes = [], 0
        part.append(one)
        size_bytes += one.size_bytes
    if part:
        yield part
