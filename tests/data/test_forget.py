from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from aigc.audit import verify
from aigc.data import forget as core
from aigc.data.dataset import Dataset, open_dataset
from aigc.data.forget import Request, forget, was_forgotten
from aigc.distributed.prepare import run
from aigc.errors import DataError, SpecError
from tests.data.pictures import encoded, noise, spec


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 pictures in two classes; b/02 is a copy of a/00, b/03 nearly a/01, b/04 has its own row
    twice."""
    folder = tmp_path_factory.mktemp("forget") / "raw"
    lines = ["file_name,licence,creator"]
    for number in range(30):
        name, label = f"{number % 15:02d}.png", "ab"[number // 15]
        pixels = noise(number)
        if (label, number % 15) == ("b", 2):
            pixels = noise(0)
        if (label, number % 15) == ("b", 3):
            pixels = np.where(noise(1) < 250, noise(1) + 1, noise(1)).astype(np.uint8)
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / name).write_bytes(encoded(pixels))
        lines.append(f"{label}/{name},CC-BY-4.0,artist {number % 4}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def kept(raw: Path) -> Dataset:
    """With duplicates kept."""
    out = raw.with_name("kept")
    run(spec(raw, out, duplicates="keep", near_duplicates="keep", test_fraction=0.2, seed=3))
    return open_dataset(str(out))


@pytest.fixture(scope="module")
def dropped(raw: Path) -> Dataset:
    out = raw.with_name("dropped")
    run(spec(raw, out, test_fraction=0.2))
    return open_dataset(str(out))


def ids(data: Dataset) -> set[str | None]:
    return {name for split in ("train", "test") for name in data.texts(split, "id")}


def forgotten(data: Dataset, out: Path, *named: str, **options) -> Dataset:
    forget(data, Request(named, **options), str(out))
    return open_dataset(str(out))


def test_named_items_and_their_copies_go(kept: Dataset, tmp_path: Path) -> None:
    found = forgotten(kept, tmp_path / "new", "a/00.png", "a/05.png")
    assert ids(kept) - ids(found) == {"a/00.png", "a/05.png", "b/02.png"}
    assert ids(found) < ids(kept)
    about = found.info["forgotten"]
    assert (about["items"], about["copies"], about["near"]) == (3, 1, 0)
    assert about["from"] == kept.digest != found.digest
    for split in ("train", "test"):
        before = dict(zip(kept.texts(split, "id"), kept.read(split)[0], strict=True))
        for name, item in zip(found.texts(split, "id"), found.read(split)[0], strict=True):
            np.testing.assert_array_equal(item, before[name])


def test_near_duplicates_go_if_asked(kept: Dataset, tmp_path: Path) -> None:
    found = forgotten(kept, tmp_path / "new", "a/01.png", near=True)
    assert ids(kept) - ids(found) == {"a/01.png", "b/03.png"}
    assert found.info["forgotten"]["near"] == 1


def test_a_dropped_duplicate_stands_for_the_one_that_was_kept(
    dropped: Dataset, tmp_path: Path
) -> None:
    assert "b/02.png" not in ids(dropped)
    found = forgotten(dropped, tmp_path / "new", "b/02.png")
    assert ids(dropped) - ids(found) == {"a/00.png"}
    rows = pq.read_table(tmp_path / "new" / "duplicates.parquet").to_pylist()
    assert {row["dropped"] for row in rows} == {"b/03.png"}


def test_what_is_left_is_what_prepare_would_have_made(
    raw: Path, kept: Dataset, tmp_path: Path
) -> None:
    """All held out or none, so that the split stays: digest, counts, statistics and credits."""
    named = ("a/00.png", "a/07.png", "b/09.png")
    options = {"duplicates": "keep", "near_duplicates": "keep", "test_fraction": 0}
    run(spec(raw, tmp_path / "all", **options))
    found = forgotten(open_dataset(str(tmp_path / "all")), tmp_path / "new", *named)
    gone = (*named, "b/02.png")
    run(spec(raw, tmp_path / "less", ignore=[*gone], **options))
    expected = open_dataset(str(tmp_path / "less"))
    for name in ("digest", "counts", "per_class", "mean", "std", "licences", "creators"):
        assert found.info[name] == expected.info[name], name
    for file in ("attribution.csv",):
        there = (tmp_path / "less" / file).read_bytes()
        assert (tmp_path / "new" / file).read_bytes() == there
    assert "## Removed" in (tmp_path / "new" / "README.md").read_text()
    assert (tmp_path / "new" / "preview.png").read_bytes().startswith(b"\x89PNG")


def test_the_record_names_nobody_and_answers_for_an_id(kept: Dataset, tmp_path: Path) -> None:
    forgotten(kept, tmp_path / "hashed", "a/05.png")
    forgotten(kept, tmp_path / "plain", "a/05.png", plain=True)
    for form in ("hashed", "plain"):
        text = (tmp_path / form / "forgotten.json").read_text()
        record = json.loads(text)
        assert ("a/05.png" in text) == (form == "plain")
        assert was_forgotten(record, "a/05.png")
        assert not was_forgotten(record, "a/06.png")


def test_the_same_command_again_changes_nothing(kept: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "new"
    forgotten(kept, out, "a/05.png", "a/06.png")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    forgotten(kept, out, "a/06.png", "a/05.png")
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    with pytest.raises(SpecError, match="holds another data set"):
        forgotten(kept, out, "a/07.png")


def test_a_stopped_command_leaves_no_data_set_and_is_taken_up(
    kept: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "new"

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(core, "_described", stop)
        with pytest.raises(KeyboardInterrupt):
            forgotten(kept, out, "a/05.png")
    with pytest.raises(DataError, match="no prepared data set"):
        open_dataset(str(out))
    with pytest.raises(SpecError, match="an unfinished removal of other ids"):
        forgotten(kept, out, "a/06.png")
    assert len(ids(forgotten(kept, out, "a/05.png"))) == len(ids(kept)) - 1
    assert not (out / "_work").exists()


def test_what_cannot_be_done_is_one_line(kept: Dataset, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"ids: nobody\.png: not in .*--missing-ok"):
        forgotten(kept, tmp_path / "new", "a/05.png", "nobody.png")
    assert not (tmp_path / "new").exists()
    assert len(ids(forgotten(kept, tmp_path / "ok", "a/05.png", "x", missing_ok=True))) == 29
    with pytest.raises(DataError, match="no training images would be left"):
        forgotten(kept, tmp_path / "none", *map(str, ids(kept)))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    with pytest.raises(SpecError, match=r"not empty \(mine\.txt\)"):
        forgotten(kept, tmp_path / "full", "a/05.png")


def test_the_removal_is_logged(
    kept: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "audit.jsonl"
    monkeypatch.setenv("AIGC_AUDIT_LOG", str(log))
    found = forgotten(kept, tmp_path / "new", "a/05.png")
    assert verify(str(log)).problems == []
    [line] = map(json.loads, log.read_bytes().splitlines())
    assert line["what"] == "data.forgotten"
    assert line["about"]["digest"] == found.digest
    assert "a/05.png" not in log.read_text()
