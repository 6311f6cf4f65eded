"""Folders with `metadata.csv` or `metadata.jsonl`, in the format of Hugging Face's imagefolder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aigc.data.notes import Notes
from aigc.data.opening import open_source
from aigc.data.sources import Input, RawSource
from aigc.errors import DataError
from aigc.specs import PrepareSpec
from tests.data.pictures import encoded, noise, spec


def items(source: RawSource, chosen: PrepareSpec) -> dict[str, Input]:
    return {item.id: item for chunk in source.chunks for item in chunk.items(chosen)}


def opened(root: Path, **fields: Any) -> tuple[RawSource, dict[str, Input]]:
    chosen = spec(root, "out", **fields)
    source = open_source(chosen)
    return source, items(source, chosen)


def pictures(root: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encoded(noise(seed)))
    return root


def csv(root: Path, *lines: str, name: str = "metadata.csv") -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def jsonl(root: Path, *rows: object) -> None:
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_csv_gives_captions_labels_licences_and_creators(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "deep/b.png")
    csv(
        tmp_path,
        "\ufefffile_name,text,label,license,author,price",
        'a.png,"A red, ""new"" hat",hats,CC0-1.0,Ann,3',
        "./deep/b.png,  Zwei Schuhe ,shoes,,Bob,4",
    )
    source, found = opened(tmp_path)
    assert (source.labels, source.total) == (("hats", "shoes"), 2)
    assert source.columns == ("caption", "licence", "creator")
    assert found["a.png"].notes == Notes('A red, "new" hat', "CC0-1.0", "Ann")
    assert found["deep/b.png"].notes == Notes("Zwei Schuhe", None, "Bob")
    assert [found[key].label for key in ("a.png", "deep/b.png")] == [0, 1]
    assert not any(item.reason for item in found.values())


def test_jsonl_keeps_sub_folders_as_classes_when_it_has_no_labels(tmp_path: Path) -> None:
    pictures(tmp_path, "hats/a.png", "shoes/b.png", "shoes/c.png")
    jsonl(
        tmp_path,
        {"file_name": "hats/a.png", "caption": "a hat"},
        {"file_name": "shoes/b.png", "caption": None, "creator": "Bob"},
    )
    source, found = opened(tmp_path)
    assert source.labels == ("hats", "shoes")
    assert source.columns == ("caption", "creator")
    assert [found[key].notes.caption for key in sorted(found)] == ["a hat", None, None]
    assert not any(item.reason for item in found.values())


def test_each_split_may_have_its_own_table(tmp_path: Path) -> None:
    pictures(tmp_path, "train/a.png", "train/b.png", "test/a.png")
    csv(tmp_path, "file_name,text,label", "a.png,one,x", "b.png,two,y", name="train/metadata.csv")
    csv(tmp_path, "file_name,text,label", "a.png,three,y", name="test/metadata.csv")
    source, found = opened(tmp_path)
    assert source.own_split
    assert source.labels == ("x", "y")
    assert {key: (item.label, item.test, item.notes.caption) for key, item in found.items()} == {
        "train/a.png": (0, False, "one"),
        "train/b.png": (1, False, "two"),
        "test/a.png": (1, True, "three"),
    }


def test_columns_can_be_named_or_left_out(tmp_path: Path) -> None:
    pictures(tmp_path, "hats/a.png")
    csv(tmp_path, "file_name,text,label,title,kind", "hats/a.png,words,l,Title,k")
    source, found = opened(tmp_path, caption_column="title", label_column="kind")
    assert (source.labels, found["hats/a.png"].notes.caption) == (("k",), "Title")
    source, found = opened(tmp_path, caption_column="", label_column="")
    assert (source.labels, source.columns) == (("hats",), ())
    assert found["hats/a.png"].notes == Notes()


def test_rows_and_files_that_do_not_meet_are_rejected_with_the_reason(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "b.png", "c.png", "d.png", "e.png")
    long = "x" * 10_001
    jsonl(
        tmp_path,
        {"file_name": "a.png", "text": "fine", "label": 7},
        {"file_name": "b.png", "text": "no label"},
        {"file_name": "c.png", "text": ["one", "two"], "label": 7},
        {"file_name": "d.png", "text": long, "label": 7},
        {"file_name": "../../etc/passwd", "label": 7},
        {"file_name": "gone.png", "label": 7, "text": "\ud800"},
    )
    source, found = opened(tmp_path)
    assert source.labels == ("7",)
    assert {key: item.reason for key, item in found.items()} == {
        "a.png": "",
        "b.png": "no label in the metadata",
        "c.png": "caption is a list, expected text",
        "d.png": "caption of 10,001 characters, at most 10,000",
        "e.png": "no label in the metadata",
        "../../etc/passwd": "listed in the metadata, but the file does not exist",
        "gone.png": "listed in the metadata, but the file does not exist",
    }


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("csv", "name,text\na.png,x\n", "no column 'file_name'; it has name, text"),
        ("csv", "", "no column 'file_name'; it has nothing"),
        ("csv", "file_name,text\na.png,x\n\n./a.png,y\n", "line 4: a.png is listed twice"),
        ("csv", "file_name,text\na.png,x,y\n", "line 2: 3 cells, the header has 2"),
        ("csv", "file_name,text,text\na.png,x,y\n", "two columns have one name"),
        ("csv", 'file_name,text\na.png,"x\n', "line 2: unexpected end of data"),
        ("csv", f"file_name,text\na.png,{'x' * 140_000}\n", "line 2: field larger than"),
        ("csv", "file_name,text\n,x\n", "line 2: file_name is missing"),
        ("csv", b"file_name,text\na.png,\xff\n", "not UTF-8 at byte 21"),
        ("jsonl", '{"file_name": "a.png"}\n[1]\n', "line 2: not a JSON object"),
        ("jsonl", '{"file_name": [3]}\n', "line 1: file_name is missing"),
        ("jsonl", "[" * 100_000, "begins with \\[, as a JSON array"),
        ("jsonl", '{"a":' * 100_000, "line 1: not a JSON object"),
        ("jsonl", '{"text": "x"}\n', "no column 'file_name'; it has text"),
    ],
)
def test_metadata_that_cannot_be_right_is_one_line(
    tmp_path: Path, name: str, text: str | bytes, reason: str
) -> None:
    pictures(tmp_path, "a.png")
    (tmp_path / f"metadata.{name}").write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(DataError, match=rf"metadata\.{name}.*{reason}") as caught:
        opened(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"caption_column": "title"}, "no column 'title'; set caption_column to one of file_name"),
        ({"label_column": "kind"}, "no column 'kind'; set label_column to one of file_name"),
    ],
)
def test_a_column_that_is_not_there_is_named(
    tmp_path: Path, fields: dict[str, str], reason: str
) -> None:
    pictures(tmp_path, "a.png")
    csv(tmp_path, "file_name,text", "a.png,x")
    with pytest.raises(DataError, match=reason):
        opened(tmp_path, **fields)


def test_a_column_without_any_metadata_is_named(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png")
    with pytest.raises(DataError, match=r"licence_column is set, but there is no metadata\.csv"):
        opened(tmp_path, licence_column="terms")
