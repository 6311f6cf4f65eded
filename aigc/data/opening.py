"""Opens a source of any format: which of its entries count, and as what it is to be read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from aigc import storage
from aigc.data import archives, idx, label_cells, metadata
from aigc.data import entries as of_source
from aigc.data.about import FILE as ABOUT
from aigc.data.about import about
from aigc.data.entries import Entries, is_document, name_of
from aigc.data.folders import open_folder
from aigc.data.idx_source import open_idx
from aigc.data.sources import RawSource, fingerprint
from aigc.data.structure import file_roles
from aigc.data.tables import REPORTS, open_tables
from aigc.errors import DataError, shown
from aigc.modalities import MODALITIES
from aigc.modalities.prepare_spec import Role
from aigc.specs import PrepareSpec

_LICENCE = "LICENSE"
_OF_MEANING = {ABOUT, _LICENCE, "labels.txt", metadata.STYLEGAN, *metadata.NAMES}
_PART = re.compile(r"(.*[-_.])?\d{3,}")
"""An archive's name that tells one part of a set from another: shop-000012.tar."""


def entries(spec: PrepareSpec) -> Entries:
    """What lies at the spec's source, without what is ignored.

    Raises:
        DataError: there is nothing, or a folder cannot be read.
    """
    found = list(storage.everything(spec.source))
    if not found and not storage.exists(spec.source):
        raise DataError(f"source = {spec.source!r}: not found; check the path")
    return of_source.read(spec.source, spec, found)


def open_source(spec: PrepareSpec) -> RawSource:
    """What is to be prepared.

    Raises:
        DataError: there is no input, or it cannot be told how it is to be read.
    """
    found = entries(spec)
    fingerprinted = found.files
    kind = _kind(spec, found)
    _require_readable(spec, found, kind)
    parts = None
    if kind == "archives":
        found, parts = _unpacked(spec, found)
        kind = _kind_inside(spec, found)
    match kind:
        case "idx":
            source = open_idx(spec.source, found, spec)
        case "parquet":
            source = open_tables(spec.source, found, spec)
        case _:
            source = open_folder(spec.source, found, spec, parts)
    if kind in ("idx", "parquet"):
        for entry in found.unreadable:
            found.ignored.add(entry.problem, entry.key)
    left_out = str(found.ignored)
    things = MODALITIES[spec.modality].title
    if not source.total:
        raise DataError(
            f"{shown(spec.source)}: no {things} found; expected SOURCE/<class>/<{things}>, "
            "IDX files (train-images-idx3-ubyte.gz …), Parquet files, a ZIP or tar"
            + (f"; left out: {left_out}" if left_out else "")
        )
    return replace(
        source,
        files=len(fingerprinted),
        fingerprint=fingerprint(fingerprinted),
        about=about(found.files),
        terms=next((entry.uri for entry in found.files if entry.key == _LICENCE), ""),
        ignored=found.ignored.counts,
        reading="; ".join(
            [
                source.reading,
                *label_cells.alike(source.labels),
                *([f"left out: {left_out}"] if left_out else []),
            ]
        ),
    )


def _kind(spec: PrepareSpec, found: Entries) -> Literal["folder", "idx", "parquet", "archives"]:
    keys = [entry.key for entry in found.files]
    inputs = [key for key in keys if not is_document(key)]
    if inputs and all(archives.is_archive(key) for key in inputs):
        return "archives"
    if spec.format != "auto":
        return spec.format
    if any(idx.NAME.match(name_of(key)) for key in keys):
        return "idx"
    tables = [key for key in keys if _is_data(key, spec)]
    if inside := [key for key in inputs if tables and "/" in key]:
        raise DataError(
            f"{spec.source}: holds Parquet files ({shown(tables[0])}) and files in folders "
            f"({shown(inside[0])}); set format = parquet or format = folder"
        )
    return "parquet" if tables else "folder"


def _kind_inside(spec: PrepareSpec, found: Entries) -> Literal["folder", "idx", "parquet"]:
    """As `_kind`, of the members of archives: as inputs if some may be inputs."""
    keys = [entry.key for entry in found.files]
    tables = [key for key in keys if idx.NAME.match(name_of(key))]
    if any(not is_document(key) for key in keys if key not in tables):
        return "folder"
    if tables:
        return "idx"
    return "parquet" if any(_is_data(key, spec) for key in keys) else "folder"


def _is_data(key: str, spec: PrepareSpec) -> bool:
    name = name_of(key)
    return (
        name.endswith(".parquet")
        and name not in (*metadata.NAMES, *REPORTS)
        and key != spec.label_file
    )


def _require_readable(spec: PrepareSpec, found: Entries, kind: str) -> None:
    """Raises DataError for what is no file, but has the name of one that counts as a whole."""
    for entry in found.unreadable:
        name = name_of(entry.key)
        counts = name in _OF_MEANING or entry.key == spec.label_file or archives.is_archive(name)
        counts = counts or (kind == "parquet" and name.endswith(".parquet"))
        counts = counts or bool(kind == "idx" and idx.NAME.match(name))
        if counts or (not found.files and spec.source.endswith(entry.key)):
            raise DataError(
                f"{shown(entry.uri)}: {entry.problem}; put a file in its place, or leave it out "
                f"with ignore"
            )


def _unpacked(spec: PrepareSpec, found: Entries) -> tuple[Entries, dict[str, Role] | None]:
    """The members in place of the archives: of one archive as a folder, of several as class
    folders, or as parts of one set (WebDataset), then with the role of each part."""
    packed = [entry for entry in found.files if archives.is_archive(entry.key)]
    if len(packed) == 1:
        members = archives.entries(packed[0].uri, packed[0].modified_s)
        return _with(spec, found, packed, members), None
    names = {entry.key: entry.key.replace("/", "-") for entry in packed}
    members = [
        member
        for entry in packed
        for member in archives.entries(entry.uri, entry.modified_s, f"{names[entry.key]}/")
    ]
    if _are_parts(packed, members):
        roles = file_roles(spec.source, [entry.key for entry in packed], spec)
        parts = {names[entry.key]: role for entry, role in zip(packed, roles, strict=True)}
        return _with(spec, found, packed, members), parts
    unpacked = [replace(member, key=_without_suffix(member.key)) for member in members]
    return _with(spec, found, packed, unpacked), None


def _with(
    spec: PrepareSpec,
    found: Entries,
    packed: Sequence[storage.Entry],
    members: Sequence[storage.Entry],
) -> Entries:
    """`found` with the archives' members in place of the archives."""
    inside = of_source.read(spec.source, spec, members)
    found.ignored.entries += inside.ignored.entries
    others = [entry for entry in found.files if entry not in packed]
    unreadable = [*found.unreadable, *inside.unreadable]
    return Entries([*others, *inside.files], unreadable, found.ignored)


def _are_parts(packed: Sequence[storage.Entry], members: Sequence[storage.Entry]) -> bool:
    flat = all(member.key.count("/") == 1 for member in members)
    classes = any(member.key.endswith(".cls") for member in members)
    numbered = all(_PART.fullmatch(archives.stem(entry.key)) for entry in packed)
    return flat and (classes or numbered)


def _without_suffix(key: str) -> str:
    archive, _, rest = key.partition("/")
    return f"{archives.stem(archive)}/{rest}"
