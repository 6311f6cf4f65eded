"""Random sources: each entry that is seen is an item, a duplicate, a reject or ignored, once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigc.data.opening import entries, open_source
from aigc.data.prepare import prepare
from aigc.errors import AigcError
from aigc.specs import PrepareSpec
from aigc.types import Json
from tests.data.pictures import encoded, noise, spec
from tests.front_door.folders import Content, fifo, link, parquet, plant, tarred, zipped

_NOT_THERE = "listed in the metadata, but the file does not exist"
_FOLDERS = ["a", "b", "C d", "train", "Test", "val", "unsup", "00000", "@eaDir", ".x", "__MACOSX"]
_PICTURES = [encoded(noise(seed, 8)) for seed in range(12)]
_CONTENTS: dict[str, tuple[list[str], list[Content]]] = {
    "picture": (["1.png", "2.png", "3", "img00000001.png", "[x].jpg"], list(_PICTURES)),
    "broken": (["bad.png", "cut.jpg"], [b"", b"x", _PICTURES[0][:60]]),
    "document": (["1.txt", "notes.md", "1.json", "2.xml"], ["a hat", "{}", b"\xff"]),
    "junk": (["Thumbs.db", "._1.png", ".DS_Store", "1.png~", "desktop.ini"], [b"x"]),
    "link": (["l.png", "l"], [link("nowhere"), link("."), link("..")]),
    "pipe": (["p.png", "p"], [fifo]),
}


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Content]:
    """Up to twenty entries below up to three folders of a few names."""
    tree: dict[str, Content] = {}
    for _ in range(draw(st.integers(0, 20))):
        folders = draw(st.lists(st.sampled_from(_FOLDERS), max_size=3))
        kind = draw(st.sampled_from(["picture"] * 4 + list(_CONTENTS)))
        names, contents = _CONTENTS[kind]
        key = "/".join([*folders, draw(st.sampled_from(names))])
        tree.setdefault(key, draw(st.sampled_from(contents)))
    if draw(st.booleans()):
        listed = draw(st.lists(st.sampled_from([*tree, "gone.png"]), unique=True, max_size=5))
        head = draw(st.sampled_from(["file_name,label", "file_name,text"]))
        tree["metadata.csv"] = "\n".join([head, *(f'"{key}",x' for key in listed), ""])
    if draw(st.booleans()):
        tree["empty/"] = ""
    return tree


def seen(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[str]:
    """Every entry that is no folder, links followed; a folder without any, and one that lies in
    itself, stand for themselves."""
    above |= {os.path.realpath(folder)}
    found = list(folder.iterdir())
    if not found:
        yield str(folder)
    for path in found:
        if not path.is_dir() or (path.is_symlink() and os.path.realpath(path) in above):
            yield str(path)
        else:
            yield from seen(path, above)


def made(chosen: PrepareSpec) -> tuple[Json, dict[str, list[dict[str, Any]]]] | None:
    """The data set's description and its reports; None when the source is refused in one line."""
    try:
        source = open_source(chosen)
        prepare(chosen, source)
    except AigcError as error:
        assert "\n" not in str(error)
        return None
    out = Path(chosen.out)
    files = {name: sorted(out.glob(f"{name}*/*.parquet")) for name in ("train", "test")}
    files |= {name: [out / f"{name}.parquet"] for name in ("rejects", "duplicates")}
    tables = {
        name: [row for path in paths for row in pq.read_table(path).to_pylist()]
        for name, paths in files.items()
    }
    return source.ignored, tables


def check(root: Path, count: Callable[[dict[str, list[str]]], int], **fields: Any) -> None:
    """`count` of what each part holds is the number of what was not ignored."""
    chosen = spec(root / "source", root / "out", size=8, max_rejects=0.99, **fields)
    result = made(chosen)
    if result is None:
        return
    ignored, tables = result
    parts = {
        "train": [row["id"] for row in tables["train"]],
        "test": [row["id"] for row in tables["test"]],
        "duplicates": [row["dropped"] for row in tables["duplicates"]],
        "rejects": [row["id"] for row in tables["rejects"] if row["reason"] != _NOT_THERE],
    }
    all_ids = [id for ids in parts.values() for id in ids]
    assert len(set(all_ids)) == len(all_ids), "an input is in two parts"
    assert len(all_ids) + sum(ignored.values()) == count(parts)
    left_out = {key for key, _ in entries(chosen).ignored.entries}
    assert not left_out & set(all_ids)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(trees())
def test_entries_of_folders_add_up(tree: dict[str, Content]) -> None:
    with tempfile.TemporaryDirectory() as made_here:
        root = Path(made_here)
        planted = {key: content for key, content in tree.items() if _fits(key, tree)}
        source = plant(root / "source", planted)
        above = frozenset(map(str, source.resolve().parents))
        check(root, lambda parts: len(list(seen(source, above))))


def _fits(key: str, tree: Collection[str]) -> bool:
    """Whether no file of the tree stands where `key` needs a folder."""
    parts = key.split("/")
    return not any("/".join(parts[:n]) in tree for n in range(1, len(parts)))


_CELLS = st.sampled_from([*_PICTURES[:6], b"", b"x", None])
_LABELS = st.sampled_from(["a", "b", " ", None])
_ROWS = st.lists(st.tuples(_CELLS, _LABELS), min_size=1, max_size=12)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from(["train.parquet", "Test-0.parquet", "x.parquet"]), _ROWS),
    st.sets(st.sampled_from(["._x.parquet", "a/@eaDir/y.parquet", "notes.txt", "source.json"])),
)
def test_rows_of_tables_add_up(
    tables: dict[str, list[tuple[bytes | None, str | None]]], others: set[str]
) -> None:
    with tempfile.TemporaryDirectory() as made_here:
        root = Path(made_here)
        tree: dict[str, Content] = dict.fromkeys(others, b"{}")
        for name, rows in tables.items():
            images, labels = zip(*rows, strict=True)
            tree[name] = parquet({"image": list(images), "label": list(labels)})
        plant(root / "source", tree)
        total = sum(map(len, tables.values()))
        check(root, lambda parts: total + len(others))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees())
def test_a_folder_packed_is_the_same_source(tree: dict[str, Content]) -> None:
    packable = {key: content for key, content in tree.items() if isinstance(content, str | bytes)}
    files = {key: content for key, content in packable.items() if _fits(key, packable)}
    files.pop("empty/", None)
    with tempfile.TemporaryDirectory() as made_here:
        root = Path(made_here)
        plant(root / "folder", files)
        (root / "set.zip").write_bytes(zipped(files, compression=8))
        (root / "set.tar").write_bytes(tarred(files))
        folder, *archives = (read(root / name) for name in ("folder", "set.zip", "set.tar"))
        assert archives == [folder, folder]


def read(source: Path) -> object:
    """What is in a source, without what names the place of it; None when it is refused."""
    chosen = spec(source, source.parent / "out", size=8)
    try:
        opened = open_source(chosen)
    except AigcError:
        return None
    items = [item for chunk in opened.chunks for item in chunk.items(chosen)]
    found = {item.id: (item.label, item.test, item.reason, item.notes) for item in items}
    return opened.labels, opened.own_split, opened.ignored, opened.reading, found
