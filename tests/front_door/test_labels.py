"""Labels of every kind of source: read so, rejected with this reason, or refused with this line."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aigc.data.dataset import open_dataset
from aigc.distributed.prepare import run
from aigc.errors import AigcError
from tests.data.pictures import encoded, folder, noise, spec
from tests.data.test_idx import packed

Make = Callable[[Path], Path]
NFC, NFD = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")


@dataclass(frozen=True)
class Read:
    """Images of each class in train and test together; with reasons of what was rejected."""

    classes: dict[str, int]
    untrained: dict[str, str] = field(default_factory=dict)
    rejects: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    line: str
    """A regular expression."""


def column(
    labels: list[Any], kind: pa.DataType | None = None, names: Any = None, first: int = 0
) -> pa.Table:
    """A table of pictures with these labels; `names` as Hugging Face's ClassLabel has them."""
    images = [encoded(noise(first + at)) for at in range(len(labels))]
    made = pa.table({"image": images, "label": pa.array(labels, kind)})
    if names is None:
        return made
    feature = {"names": names, "_type": "ClassLabel"}
    told = json.dumps({"info": {"features": {"label": feature}}})
    return made.replace_schema_metadata({"huggingface": told})


def tables(**files: pa.Table) -> Make:
    """Parquet files by name, `__` for a slash."""

    def make(root: Path) -> Path:
        for name, table in files.items():
            path = root / f"{name.replace('__', '/')}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, path)
        return root

    return make


def tree(classes: dict[str, int]) -> Make:
    return lambda root: folder(root, classes)


def copied(*pairs: tuple[str, str], classes: dict[str, int]) -> Make:
    """Folders of pictures, then files that are copies of others."""

    def make(root: Path) -> Path:
        folder(root, classes)
        for old, new in pairs:
            (root / new).parent.mkdir(parents=True, exist_ok=True)
            (root / new).write_bytes((root / old).read_bytes())
        return root

    return make


def bad(name: str, classes: dict[str, int]) -> Make:
    def make(root: Path) -> Path:
        folder(root, classes)
        (root / name).parent.mkdir()
        (root / name).write_text("no picture")
        return root

    return make


def idx(labels: list[int], names: bytes | None = None, test: list[int] | None = None) -> Make:
    def make(root: Path) -> Path:
        root.mkdir()
        for split, given, first in (("train", labels, 0), ("t10k", test or [], 500)):
            if given:
                pixels = np.stack([noise(first + at, 16, 1) for at in range(len(given))])
                (root / f"{split}-images-idx3-ubyte").write_bytes(packed(pixels))
                (root / f"{split}-labels-idx1-ubyte").write_bytes(packed(np.array(given, np.uint8)))
        if names is not None:
            (root / "labels.txt").write_bytes(names)
        return root

    return make


def listed(labels: list[Any], name: str = "metadata.csv", encoding: str = "utf-8") -> Make:
    """A folder without classes and a table of labels."""

    def make(root: Path) -> Path:
        folder(root.parent, {root.name: len(labels)})
        rows = [{"file_name": f"{at:04d}.png", "label": label} for at, label in enumerate(labels)]
        if name.endswith(".csv"):
            lines = ["file_name,label", *(f"{row['file_name']},{row['label']}" for row in rows)]
        else:
            lines = [json.dumps(row) for row in rows]
        (root / name).write_bytes("\n".join(lines).encode(encoding))
        return root

    return make


TABLE: dict[str, tuple[Make, Read | Refused]] = {
    # Labels without training pictures stay classes and are told.
    "a class only in test": (
        lambda root: (
            folder(
                folder(root / "train", {"a": 3, "b": 2}).parent / "test",
                {"b": 1, "c": 1},
                first_seed=50,
            ).parent
        ),
        Read({"a": 3, "b": 3, "c": 1}, {"c": "only in test"}),
    ),
    "a class only in test, Parquet": (
        tables(train=column(["a"] * 3), test=column(["a", "z"], first=50)),
        Read({"a": 4, "z": 1}, {"z": "only in test"}),
    ),
    "a class only in test, IDX": (
        idx([0, 1, 1], test=[0, 7]),
        Read({"0": 2, "1": 2, "7": 1}, {"7": "only in test"}),
    ),
    "a class of duplicates": (
        copied(("a/0000.png", "b/x.png"), ("a/0001.png", "b/y.png"), classes={"a": 3}),
        Read({"a": 3, "b": 0}, {"b": "all duplicates"}),
    ),
    "a class of rejects": (
        bad("b/x.png", {"a": 3}),
        Read({"a": 3, "b": 0}, {"b": "no good files"}, ("not an image of a known format",)),
    ),
    "a declared class without pictures": (
        tables(all=column([0, 2, 2], names=["cat", "dog", "owl"])),
        Read({"cat": 1, "dog": 0, "owl": 2}, {"dog": "no good files"}),
    ),
    "a named class without pictures, IDX": (
        idx([0, 2], b"red\ngreen\nblue\n"),
        Read({"red": 1, "green": 0, "blue": 1}, {"green": "no good files"}),
    ),
    "a class of one picture is trained on": (tree({"a": 9, "b": 1}), Read({"a": 9, "b": 1})),
    # Numbers without names.
    "numbers from 1": (tables(all=column([1, 2, 3])), Read({"1": 1, "2": 1, "3": 1})),
    "numbers from 1, IDX": (idx([1, 2, 2]), Read({"1": 1, "2": 2})),
    "numbers with gaps": (tables(all=column([100, 999_999])), Read({"100": 1, "999999": 1})),
    "huge numbers": (tables(all=column([2**62, 3])), Read({"3": 1, str(2**62): 1})),
    "unsigned numbers": (
        tables(all=column([2**64 - 1, 3], pa.uint64())),
        Read({"3": 1, str(2**64 - 1): 1}),
    ),
    "the highest byte, IDX": (idx([255, 9]), Read({"9": 1, "255": 1})),
    "numbers below 0": (tables(all=column([0, -1])), Refused("has the label -1; .*write names")),
    "numbers with a fraction": (
        tables(all=column([0.0, 0.5])),
        Refused("has the label 0.5; labels are names or whole numbers: choose another column"),
    ),
    "numbers without end": (tables(all=column([0.0, float("inf")])), Refused("has the label inf")),
    "doubles that are whole": (
        tables(all=column([0.0, 1.0, float("nan")])),
        Read({"0": 1, "1": 1}, rejects=("no label",)),
    ),
    "halves that are whole": (
        tables(all=column(list(np.array([7, 8], np.float16)), pa.float16())),
        Read({"7": 1, "8": 1}),
    ),
    "decimals that are whole": (
        tables(all=column([Decimal("1.00"), Decimal("2.00")], pa.decimal128(5, 2))),
        Read({"1": 1, "2": 1}),
    ),
    "doubles below 0": (
        tables(all=column([0.0, -1.0])),
        Refused(r"all\.parquet: column 'label' has the label -1; .*write"),
    ),
    "doubles next to integers": (
        tables(a=column([1.0, 2.0]), b=column([1, 2], first=9)),
        Read({"1": 2, "2": 2}),
    ),
    "true and false": (
        tables(all=column([True, False, None])),
        Read({"false": 1, "true": 1}, rejects=("no label",)),
    ),
    "doubles next to declared names": (
        tables(a=column([0], names=["cat"]), b=column([0.0], first=9)),
        Refused("holds numbers without names"),
    ),
    "names that are too long": (
        tables(all=column(["a", "b" * 10_001])),
        Refused("column 'label': label of 10,001 characters, at most 10,000"),
    ),
    "empty cells": (
        tables(all=column([0, None, 1])),
        Read({"0": 1, "1": 1}, rejects=("no label",)),
    ),
    "blank names": (
        tables(all=column(["a", " ", ""])),
        Read({"a": 1}, rejects=("no label", "no label")),
    ),
    "numbers as text and as numbers": (
        tables(a=column(["1", "2"]), b=column([1, 2], first=9)),
        Read({"1": 2, "2": 2}),
    ),
    "numbers of several widths": (
        tables(a=column([1], pa.int8()), b=column([1], pa.int64(), first=9)),
        Read({"1": 2}),
    ),
    # Names that differ from file to file.
    "names in another order": (
        tables(
            a=column([0, 1], names=["cat", "dog"]), b=column([0], names=["dog", "cat"], first=9)
        ),
        Read({"cat": 1, "dog": 2}),
    ),
    "names that are more in the second file": (
        tables(a=column([0], names=["cat"]), b=column([0, 1], names=["owl", "cat"], first=9)),
        Read({"cat": 2, "owl": 1}),
    ),
    "names next to text": (
        tables(a=column([0], names=["cat", "dog"]), b=column(["dog", "ant"], first=9)),
        Read({"cat": 1, "dog": 1, "ant": 1}),
    ),
    "text next to categories": (
        tables(
            a=column(["cat"]),
            b=column(["cat", "dog"], pa.dictionary(pa.int8(), pa.string()), first=9),
        ),
        Read({"cat": 2, "dog": 1}),
    ),
    "names next to plain numbers": (
        tables(a=column([0], names=["cat"]), b=column([0], first=9)),
        Refused(r"b\.parquet: column 'label' holds numbers without names.*a\.parquet.*cat"),
    ),
    "text next to plain numbers": (
        tables(a=column(["cat"]), b=column([0], first=9)),
        Refused("holds numbers without names"),
    ),
    "numbers next to a list": (
        tables(a=column(["cat"]), b=column([["cat"]], first=9)),
        Refused(r"b\.parquet: column 'label' is list.*expected integers or text"),
    ),
    "no such column in the second file": (
        tables(a=column(["cat"]), b=column(["cat"], first=9).rename_columns(["image", "kind"])),
        Refused(r"b\.parquet: no column 'label'"),
    ),
    "a number beyond the names": (
        tables(all=column([0, 7, -1], names=["cat", "dog"])),
        Read(
            {"cat": 1, "dog": 0},
            {"dog": "no good files"},
            ("label -1 is not one of the 2 classes", "label 7 is not one of the 2 classes"),
        ),
    ),
    "two equal names": (
        tables(all=column([0, 1], names=["cat", "cat"])),
        Refused("classes 0 and 1 are both named 'cat'"),
    ),
    "an empty name": (
        tables(all=column([0, 1], names=["cat", ""])),
        Refused("class 1 has no name"),
    ),
    "names by number": (
        tables(all=column([0, 1], names={"1": "dog", "0": "cat"})),
        Read({"cat": 1, "dog": 1}),
    ),
    "metadata that names nothing": (
        tables(all=column([0, 1], names="cat")),
        Read({"0": 1, "1": 1}),
    ),
    # One spelling a class.
    "NFC and NFD folders": (tree({NFC: 2, NFD: 3}), Read({NFC: 5})),
    "NFC and NFD text": (tables(all=column([NFC, NFD, "tea"])), Read({NFC: 2, "tea": 1})),
    "NFC and NFD names": (
        tables(a=column([0], names=[NFC]), b=column([0], names=[NFD], first=9)),
        Read({NFC: 2}),
    ),
    "NFC and NFD in one list": (
        tables(all=column([0, 1], names=[NFC, NFD])),
        Refused("classes 0 and 1 are both named"),
    ),
    "NFC and NFD rows, CSV": (listed([NFC, NFD]), Read({NFC: 2})),
    "NFC and NFD rows, JSON": (listed([NFC, NFD], "metadata.jsonl"), Read({NFC: 2})),
    "Hangul in parts": (
        tree({"각": 1, unicodedata.normalize("NFD", "각"): 1}),
        Read({"각": 2}),
    ),
    "blanks around text": (tables(all=column(["cat", " cat", "cat\n"])), Read({"cat": 3})),
    "blanks inside text": (
        tables(all=column(["ice cream", "ice\u00a0cream", "ice  cream", "ice\ncream"])),
        Read({"ice cream": 4}),
    ),
    "whole numbers, JSON": (listed([1, 1.0, 2], "metadata.jsonl"), Read({"1": 2, "2": 1})),
    "no number, JSON": (
        listed([1, None, float("nan")], "metadata.jsonl"),
        Read({"1": 1}, rejects=("no label in the metadata",) * 2),
    ),
    "a mark before the first name": (tables(all=column(["\ufeffcat", "cat"])), Read({"cat": 2})),
    "a BOM": (idx([0, 1], "red\ngreen".encode("utf-8-sig")), Read({"red": 1, "green": 1})),
    "UTF-16": (idx([0, 1], "rød\ngrøn".encode("utf-16")), Read({"rød": 1, "grøn": 1})),
    "UTF-16 of the other order": (
        idx([0, 1], b"\xfe\xff" + "red\r\ngreen\r\n".encode("utf-16-be")),
        Read({"red": 1, "green": 1}),
    ),
    "UTF-32": (idx([0, 1], "red\ngreen".encode("utf-32")), Read({"red": 1, "green": 1})),
    "UTF-16 without a mark": (
        idx([0, 1], "red\ngreen".encode("utf-16-le")),
        Refused(r"labels\.txt: holds NUL characters"),
    ),
    "Latin-1": (
        idx([0, 1], "rød\ngreen".encode("latin-1")),
        Refused(r"labels\.txt: not UTF-8 at byte 1; save it as UTF-8"),
    ),
    "Windows lines": (idx([0, 1], b"red\r\ngreen\r\n\r\n"), Read({"red": 1, "green": 1})),
    "equal lines": (idx([0, 1], b"red\nred\n"), Refused("classes 0 and 1 are both named 'red'")),
    "lines equal but for accents": (
        idx([0, 1], f"{NFC}\n{NFD}\n".encode()),
        Refused("classes 0 and 1 are both named"),
    ),
    "an empty line": (idx([0, 1], b"red\n\ngreen\n"), Refused(r"labels\.txt, line 2: empty")),
    "too few lines": (idx([0, 2], b"red\ngreen\n"), Refused("2 names, but the data has label 2$")),
    "lines that count from 1": (
        idx([1, 2], b"red\ngreen\n"),
        Refused("2 names, but the data has label 2; they start at 1: put a first line for 0"),
    ),
    # Sizes.
    "a class for every row": (
        tables(all=pa.table({"image": [b""] * 65_537, "label": range(65_537)})),
        Refused(r"more than 65,536 classes \(0, 1, \S+ and [\d,]+ more\); choose a column"),
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_labels_of(name: str, tmp_path: Path) -> None:
    make, right = TABLE[name]
    source, out = make(tmp_path / "raw"), tmp_path / "out"
    chosen = spec(source, out, max_rejects=9, channels=1, near_duplicates="keep")
    if isinstance(right, Refused):
        with pytest.raises(AigcError, match=right.line) as refused:
            run(chosen)
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 500
        assert not out.exists()
        return
    made = run(chosen)
    data = open_dataset(str(out))
    counts = data.per_class
    assert {n: counts["train"][n] + counts["test"][n] for n in data.labels} == right.classes
    assert list(data.labels) == list(right.classes)
    assert made["untrained"] == right.untrained
    assert data.untrained == tuple(right.untrained)
    reasons = pq.read_table(out / "rejects.parquet")["reason"].to_pylist()
    assert sorted(reasons) == sorted(right.rejects)
