"""Inputs for the table of folders: trees of small files, made by code."""

from __future__ import annotations

import io
import json
import os
import socket
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.data.pictures import encoded, noise
from tests.data.test_idx import packed

Make: TypeAlias = Callable[[Path], None]
Content: TypeAlias = str | bytes | Make
Tree: TypeAlias = Mapping[str, Content]


@dataclass(frozen=True)
class Case:
    """One source and what is right: read so, left out and counted, rejected, or refused."""

    name: str
    tree: Tree
    fields: Mapping[str, Any] = field(default_factory=dict)
    labels: str = ""
    """Names of the classes, divided by blanks."""
    classes: Mapping[str, str] = field(default_factory=dict)
    """Class by item, of some of them."""
    items: int | None = None
    test: str = ""
    """Items to test on, divided by blanks."""
    rejects: Mapping[str, str] = field(default_factory=dict)
    """Part of the reason by item."""
    ignored: Mapping[str, int] = field(default_factory=dict)
    told: str = ""
    """Part of the line that tells how it was read."""
    captions: Mapping[str, str | None] = field(default_factory=dict)
    refused: str = ""
    """Part of the error's line."""
    source: str = ""
    """Which part of the tree is the source; empty for all."""


def pictures(names: str) -> dict[str, Content]:
    """A picture at each of these paths, all different."""
    return {name: encoded(noise(seed)) for seed, name in enumerate(names.split())}


def plant(root: Path, tree: Tree) -> Path:
    """Write `tree` below `root`."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in tree.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def link(target: str) -> Make:
    """A symbolic link to `target`, relative to its own folder."""
    return lambda path: path.symlink_to(target)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the whole path may be longer than an address can be
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def raw_name(name: bytes, seed: int = 1) -> Make:
    """A picture in the folder of the path, at a name that is not UTF-8."""

    def make(path: Path) -> None:
        where = path.parent / os.fsdecode(name)
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(encoded(noise(seed)))

    return make


def lines(*rows: object) -> str:
    """JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def parquet(columns: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), buffer)
    return buffer.getvalue()


def rows(count: int, first: int = 0) -> bytes:
    """A Parquet file of pictures labelled a, b, a, …"""
    images = [encoded(noise(first + number)) for number in range(count)]
    return parquet({"image": images, "label": ["ab"[number % 2] for number in range(count)]})


def idx_pair(prefix: str, count: int = 4, first: int = 0) -> dict[str, bytes]:
    pixels = np.stack([noise(first + number, 16, channels=1) for number in range(count)])
    return {
        f"{prefix}-images-idx3-ubyte": packed(pixels),
        f"{prefix}-labels-idx1-ubyte": packed(np.arange(count) % 2),
    }


def zipped(tree: Tree, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        for name, content in tree.items():
            archive.writestr(name, content)  # type: ignore[arg-type]
    return buffer.getvalue()


def without_flags(archive: bytes) -> bytes:
    """A ZIP whose members do not say that their names are UTF-8, as macOS writes them."""
    data = bytearray(archive)
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(mark)
        while place >= 0:
            data[place + at : place + at + 2] = bytes(2)
            place = data.find(mark, place + 4)
    return bytes(data)


def tarred(tree: Tree, links: Mapping[str, str] = {}, again: Tree = {}) -> bytes:  # noqa: B006
    """A tar of `tree`, then symbolic links, then members that may have names of the first."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in [*tree.items(), *again.items()]:
            member = tarfile.TarInfo(name)
            data = content.encode() if isinstance(content, str) else content
            assert isinstance(data, bytes)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for name, target in links.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return buffer.getvalue()
