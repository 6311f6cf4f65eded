"""The spec of a data set from YAML and the command line, with the fields of its kind of content.

Where the user does not name the kind, the files of the source do: by their suffixes, by the members
of archives, by the columns of Parquet.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

import pyarrow.parquet as pq

from aigc import storage
from aigc.data import archives, layout
from aigc.data.entries import reason_to_ignore
from aigc.errors import DataError, SpecError, StorageError, shown
from aigc.modalities import MODALITIES
from aigc.specs import PrepareSpec, build, read, set_dotted

DEFAULT = "image"
_MOST_READ = 10_000
"""Entries of a source that are looked at."""
_FEW = 0.05
"""A smaller share of files of another kind is left to the rejects."""


def load(path: str | None, overrides: dict[str, Any]) -> PrepareSpec:
    """The YAML file at `path` (`-`: standard input), if any, with `overrides` on top.

    Raises:
        SpecError: as `specs.build`, an unknown kind of content, or a source of two kinds.
    """
    values = read(path) if path else {}
    for key, value in overrides.items():
        set_dotted(values, key, value)
    modality = modality_of(values)
    return build(spec_of(modality), values | {"modality": modality}, where=path or "")


def spec_of(modality: Any) -> type[PrepareSpec]:
    """Raises SpecError when there is no such kind of content, or its library is missing."""
    if not isinstance(modality, str) or modality not in MODALITIES:
        raise SpecError(f"modality = {modality!r}: expected one of {', '.join(MODALITIES)}")
    source = MODALITIES[modality].source
    source.require()
    return source.spec


def modality_of(values: dict[str, Any]) -> Any:
    """What `values` name, else the kind of the source's files, else that of the finished set.

    Raises:
        SpecError: the source holds files of two kinds.
    """
    if values.get("modality") is not None:
        return values["modality"]
    source, ignore = values.get("source"), values.get("ignore") or ()
    if not isinstance(source, str) or not source:
        return DEFAULT
    patterns = [ignore] if isinstance(ignore, str) else list(ignore)
    return _of_files(source, _keys(storage.absolute(source), patterns)) or _of_made(values)


def _keys(uri: str, ignore: list[str]) -> Iterator[tuple[str, str]]:
    """(key, modality) of the source's entries, and of the members of its archives."""
    for entry in itertools.islice(storage.everything(uri), _MOST_READ):
        if entry.problem or reason_to_ignore(entry.key, ignore):
            continue
        if archives.is_archive(entry.key):
            yield from _members(entry, ignore)
        elif entry.key.endswith(".parquet"):
            yield entry.key, _of_columns(entry.uri)
        else:
            yield entry.key, _of_name(entry.key)


def _members(entry: storage.Entry, ignore: list[str]) -> Iterator[tuple[str, str]]:
    try:
        members = archives.entries(entry.uri, entry.modified_s)
    except DataError:
        return  # reported when it is opened
    for member in itertools.islice(members, _MOST_READ):
        if not member.problem and not reason_to_ignore(member.key, ignore):
            yield f"{entry.key}/{member.key}", _of_name(member.key)


def _of_name(key: str) -> str:
    suffix = PurePosixPath(key).suffix.lower()
    return next((n for n, one in MODALITIES.items() if suffix in one.source.suffixes), "")


def _of_columns(uri: str) -> str:
    """The kind of a Parquet file that has a column usual for it; empty when it has none."""
    try:
        with layout.parquet_errors(uri), archives.open_input(uri) as stream:
            columns = pq.ParquetFile(stream).schema_arrow.names
    except (DataError, StorageError):
        return ""
    return next((n for n, one in MODALITIES.items() if one.source.column in columns), "")


def _of_files(source: str, keys: Iterable[tuple[str, str]]) -> str:
    """The kind of nearly all files; empty when no file is of a known kind."""
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for key, kind in keys:
        if kind:
            counts[kind] += 1
            first.setdefault(kind, key)
    if not counts:
        return ""
    (most, count), *others = counts.most_common()
    if sum(number for _, number in others) > _FEW * count:
        held = " and ".join(
            f"{number:,} {MODALITIES[kind].title} ({shown(first[kind])})"
            for kind, number in counts.most_common()
        )
        raise SpecError(
            f"source = {source!r}: holds {held}; set modality to one of "
            f"{', '.join(sorted(counts))}, and leave the others out with ignore"
        )
    return most


def _of_made(values: dict[str, Any]) -> str:
    """The kind of the finished set at `out`, whose source is gone."""
    out = values.get("out")
    made = None
    if isinstance(out, str) and out:
        made = storage.read_json(storage.join(storage.absolute(out), layout.MARKER))
    return str(made.get("modality", DEFAULT)) if made else DEFAULT
