from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aigc.data.dataset import open_dataset
from aigc.data.fetch import FetchOptions, emoji, fetch
from aigc.distributed.prepare import run
from aigc.errors import DataError, SpecError
from tests.data.fetch.packs import emoji_table, pinned, see_through, tar
from tests.data.pictures import encoded, spec

RED, GREEN, BLUE = (200, 0, 0), (0, 150, 0), (0, 0, 220)
PICTURES = {
    "package/assets/1f600.webp": see_through(RED, "WEBP"),
    "package/assets/0023-fe0f-20e3.webp": see_through(GREEN, "WEBP"),
    "package/assets/1f44b-1f3fb.webp": see_through(BLUE, "WEBP"),
    "package/assets/1f44b-1f3fb-200d-1f3ff.webp": see_through((9, 9, 9), "WEBP"),
    "package/assets/1f9ff.webp": see_through(RED, "WEBP"),
    "package/assets/../../evil.webp": b"evil",
    "package/README.md": b"read me",
}


@pytest.fixture(autouse=True)
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "upstream"
    monkeypatch.setattr(emoji, "PICTURES", pinned(folder / "pictures.tgz", tar(PICTURES)))
    monkeypatch.setattr(emoji, "NAMES", pinned(folder / "names.tgz", emoji_table()))
    return folder


def rows(folder: Path) -> list[tuple[str, str, str]]:
    with (folder / "metadata.csv").open(newline="") as file:
        return [(r["file_name"], r["text"], r["label"]) for r in csv.DictReader(file)]


def test_pictures_come_with_names_and_classes_and_only_once(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    assert fetch("emoji", str(raw))
    assert rows(raw) == [
        (
            "People & Body/1f44b-1f3fb-200d-1f3ff.webp",
            "waving hand sign, light and dark skin tones",
            "People & Body",
        ),
        ("People & Body/1f44b-1f3fb.webp", "waving hand sign, light skin tone", "People & Body"),
        ("Smileys & Emotion/1f600.webp", "grinning face", "Smileys & Emotion"),
        ("Symbols/0023-20e3.webp", "hash key", "Symbols"),
    ]
    assert "Copyright (c) Microsoft Corporation" in (raw / "LICENSE").read_text()
    assert not fetch("emoji", str(raw))
    assert not list(tmp_path.glob("**/evil*"))


def test_the_background_is_what_was_asked_for(tmp_path: Path) -> None:
    for name, corner in (("white", (255, 255, 255)), ("#f4efe6", (0xF4, 0xEF, 0xE6))):
        raw = tmp_path / name
        fetch("emoji", str(raw), options=FetchOptions(background=name))
        with Image.open(raw / "Smileys & Emotion/1f600.webp") as image:
            assert (image.mode, image.getpixel((0, 0)), image.getpixel((8, 8))) == (
                "RGB",
                corner,
                RED,
            )
    with pytest.raises(SpecError, match="holds a set fetched with background = '#ffffff'"):
        fetch("emoji", str(tmp_path / "white"), options=FetchOptions(background="black"))


@pytest.mark.parametrize("colour", ["no colour", "", "#12345", "rgba(1,2,3,0.5)", "#ffffff00"])
def test_a_background_that_is_no_opaque_colour_is_one_line(tmp_path: Path, colour: str) -> None:
    with pytest.raises(SpecError, match=r"background = .*: expected an opaque colour"):
        fetch("emoji", str(tmp_path / "raw"), options=FetchOptions(background=colour))


def test_captions_licences_and_creators_reach_the_data_set(tmp_path: Path) -> None:
    fetch("emoji", str(tmp_path / "raw"))
    keep = {"duplicates": "keep", "near_duplicates": "keep", "test_fraction": 0}
    run(spec(tmp_path / "raw", tmp_path / "out", **keep))
    made = open_dataset(str(tmp_path / "out"))
    assert made.labels == ("People & Body", "Smileys & Emotion", "Symbols")
    assert made.info["rejects"] == 0
    found = dict(zip(made.texts("train", "id"), made.captions("train"), strict=True))
    assert found["Symbols/0023-20e3.webp"] == "hash key"
    assert made.info["licences"] == {"MIT": 4}
    assert made.info["creators"] == {"Microsoft": 4}
    assert made.source == "Fluent 3D emoji"


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("PICTURES", tar({"package/assets/1f600.webp": b"no picture"}), "not a readable picture"),
        (
            "PICTURES",
            tar({"package/assets/1f600.webp": encoded(np.zeros((9, 9, 3), np.uint8))}),
            "not a readable picture",
        ),
        ("PICTURES", tar({"package/assets/1f600.webp": bytes(2**21)}), "more than 1,048,576"),
        (
            "PICTURES",
            tar({"package/assets/1f600.webp": encoded(Image.new("L", (4000, 4000)), "WEBP")}),
            "4000 x 4000 pixels are too many",
        ),
        ("NAMES", tar({"package/other.json": b"[]"}), "has no package/emoji.json"),
        ("NAMES", tar({"package/emoji.json": b"[1"}), "package/emoji.json is damaged"),
        ("NAMES", emoji_table([{"name": "X"}]), "package/emoji.json is damaged"),
        ("NAMES", emoji_table([1]), "package/emoji.json is damaged"),
    ],
)
def test_a_hostile_archive_is_one_line_and_leaves_nothing(
    tmp_path: Path,
    upstream: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    data: bytes,
    reason: str,
) -> None:
    monkeypatch.setattr(emoji, name, pinned(upstream / "hostile.tgz", data))
    with pytest.raises(DataError, match=reason):
        fetch("emoji", str(tmp_path / "raw"))
    assert [path.name for path in tmp_path.iterdir()] == ["upstream"]


def test_metadata_is_read_by_others(tmp_path: Path) -> None:
    fetch("emoji", str(tmp_path / "raw"))
    datasets = pytest.importorskip("datasets")
    found = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "raw"), cache_dir=str(tmp_path / "cache")
    )["train"]
    assert sorted(found["text"])[0] == "grinning face"
    assert isinstance(found[0]["image"], Image.Image)
