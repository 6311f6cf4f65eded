"""Folders, archives and tables of pictures as users have them, each with the right result."""

from __future__ import annotations

import gzip
import os
import re
import tempfile
from pathlib import Path

import pytest

from aigc.data import packed_tars
from aigc.data.opening import open_source
from aigc.distributed.prepare import run
from aigc.errors import AigcError
from aigc.modalities.image.spec import PrepareImages
from aigc.specs import build
from tests.data.pictures import spec
from tests.front_door.folder_cases import ENTRIES, IGNORED, LAYOUTS, MACHINE
from tests.front_door.folders import Case, link, pictures, plant, raw_name, tarred
from tests.front_door.label_cases import LABELS
from tests.front_door.source_cases import ARCHIVES, FORMATS, NAMES, TABLES
from tests.front_door.spelling_cases import SPELLINGS
from tests.front_door.split_cases import SPLIT_COLUMNS

CASES = [
    *(*LAYOUTS, *ENTRIES, *IGNORED, *TABLES, *ARCHIVES, *NAMES, *FORMATS),
    *(*LABELS, *SPELLINGS, *SPLIT_COLUMNS),
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_source_is_read_right_or_refused(tmp_path: Path, case: Case) -> None:
    root = plant(tmp_path / "source", case.tree)
    source = root / case.source if case.source else root
    chosen = spec(source, tmp_path / "out", **case.fields)
    if case.refused:
        with pytest.raises(AigcError, match=re.escape(case.refused)) as caught:
            list(open_source(chosen).chunks[0].items(chosen))
        assert "\n" not in str(caught.value)
        assert str(caught.value).encode()
        return
    opened = open_source(chosen)
    items = {item.id: item for chunk in opened.chunks for item in chunk.items(chosen)}
    good = {id: item for id, item in items.items() if item.item is not None}
    rejected = {id: item.reason for id, item in items.items() if item.item is None}
    assert rejected.keys() == case.rejects.keys(), rejected
    assert all(part in rejected[id] for id, part in case.rejects.items()), rejected
    assert " ".join(opened.labels) == case.labels
    assert {id for id, item in good.items() if item.test} == set(case.test.split())
    assert opened.ignored == dict(case.ignored), opened.reading
    assert case.told in opened.reading
    assert "\n" not in opened.reading
    assert case.items in (None, len(items)), sorted(items)
    assert opened.total == len(items)
    assert {id: opened.labels[good[id].label] for id in case.classes} == dict(case.classes)
    assert {id: good[id].notes.caption for id in case.captions} == dict(case.captions)


def test_odd_names_and_junk_do_no_harm_in_a_whole_data_set(tmp_path: Path) -> None:
    names = ["a|b", "two\nlines", "[/sale]".replace("/", "-")]
    source = plant(tmp_path / "source", pictures(" ".join(f"c{n}/1.png c{n}/2.png" for n in "012")))
    for number, name in enumerate(names):
        (source / f"c{number}").rename(source / name)
    plant(source, {"[-sale]/x": raw_name(b"caf\xe9.png", 9), ".x": "", "[-sale]/gone": link("no")})
    out = plant(tmp_path / "out", {".DS_Store": "x", "Thumbs.db": "x"})
    made = run(spec(source, out, max_rejects=1, test_fraction=0))
    assert made["labels"] == ["[-sale]", "a|b", "two lines"]
    assert (made["train"], made["rejects"], made["ignored"]) == (7, 1, {"hidden": 1})
    assert run(spec(source, out, max_rejects=1, test_fraction=0))["reused"]
    card = (out / "README.md").read_text()
    assert "| a\\|b | 2 | 0 |" in card
    assert "| two lines | 2 | 0 |" in card


def _forbid(patch: pytest.MonkeyPatch, name: str) -> None:
    """Entries of this name may not be read, also where the tests run as root."""
    scandir, access = os.scandir, os.access

    def refuse(path: str) -> os._ScandirIterator[str]:
        if Path(path).name == name:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    patch.setattr("aigc.storage.tree.os.scandir", refuse)
    patch.setattr(
        "aigc.storage.tree.os.access", lambda p, mode: Path(p).name != name and access(p, mode)
    )


def test_a_file_that_may_not_be_read_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = spec(plant(tmp_path / "source", pictures("a/1.png a/2.png")), tmp_path / "out")
    _forbid(monkeypatch, "2.png")
    items = [item for chunk in open_source(chosen).chunks for item in chunk.items(chosen)]
    assert {item.id: item.reason for item in items} == {
        "a/1.png": "",
        "a/2.png": "may not be read: permission denied",
    }


@pytest.mark.parametrize(("name", "refused"), [("a", True), ("#recycle", False)])
def test_a_folder_that_may_not_be_read_is_named_unless_it_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, refused: bool
) -> None:
    source = plant(tmp_path / "source", pictures(f"{name}/1.png b/2.png"))
    _forbid(monkeypatch, name)
    if refused:
        with pytest.raises(AigcError, match="source/a: permission denied; change the folder's"):
            open_source(spec(source, tmp_path / "out"))
    else:
        assert open_source(spec(source, tmp_path / "out")).ignored == {MACHINE: 1}


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"splits": {"a": "teach"}}, "splits.a = 'teach': input should be 'train', 'test' or"),
        ({"splits": "none"}, "splits = 'none': expected fields, as in {"),
        ({"class_level": -1}, "class_level = -1: input should be greater than or equal to 0"),
        ({"ignore": 3}, "ignore = 3: expected a list, as in [a, b]"),
        ({"source": "caf\udce9"}, "source = 'caf\\udce9': the path is not UTF-8; rename it"),
        ({"truncated": "yes"}, "truncated = 'yes': input should be 'reject' or 'keep'"),
    ],
)
def test_what_the_spec_says_of_a_source_is_checked(fields: dict[str, object], line: str) -> None:
    with pytest.raises(AigcError, match=re.escape(line)):
        build(PrepareImages, {"source": "x", "out": "y"} | fields)


def test_a_packed_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_tars, "_FREE_BYTES", 2**20)
    (tmp_path / "x.tgz").write_bytes(gzip.compress(bytes(2**24)))
    line = r"x\.tgz: holds more than [\d,]+ bytes, 100 times its size; unpack it into a folder"
    with pytest.raises(AigcError, match=line):
        open_source(spec(tmp_path / "x.tgz", tmp_path / "out"))


def test_a_packed_tar_is_unpacked_once_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "room").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "room"))
    (tmp_path / "x.tgz").write_bytes(gzip.compress(tarred(pictures("a/1.png b/2.png"))))
    made = run(spec(tmp_path / "x.tgz", tmp_path / "out"))
    assert made["train"] + made["test"] == 2
    assert not list((tmp_path / "room").iterdir())


def test_the_table_has_no_name_twice() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
