"""A fetched folder appears whole, is checked byte by byte, and is not mixed with other files."""

from __future__ import annotations

import csv
import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from aigc.data.fetch.folder import FetchedFile, is_there, write
from aigc.errors import DataError, SpecError, StorageError

ABOUT = {"set": "things", "name": "Things", "licence": "MIT", "url": "u", "background": "#ffffff"}


def things(count: int = 3) -> Iterator[FetchedFile]:
    for number in range(count):
        name = f'thing "{number}", red'
        yield FetchedFile(f"{number}.webp", bytes([number]) * 9, name, "A & B", "MIT", "Ann, Bob")


def listing(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_what_is_written_is_there(tmp_path: Path) -> None:
    place = tmp_path / "deep/raw"
    assert not is_there(place, ABOUT)
    assert write(place, ABOUT, things(), "the licence") == 3
    assert is_there(place, ABOUT)
    assert [path.name for path in place.parent.iterdir()] == ["raw"]
    rows = list(csv.DictReader((place / "metadata.csv").open(newline="")))
    assert rows[1] == {
        "file_name": "A & B/1.webp",
        "text": 'thing "1", red',
        "label": "A & B",
        "licence": "MIT",
        "creator": "Ann, Bob",
    }
    done = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=place, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("path", ["A & B/1.webp", "metadata.csv", "SHA256SUMS", "LICENSE"])
@pytest.mark.parametrize("damage", ["change", "remove"])
def test_a_damaged_folder_is_seen_and_repaired(tmp_path: Path, path: str, damage: str) -> None:
    place = tmp_path / "raw"
    write(place, ABOUT, things(), "the licence")
    before = listing(place)
    (place / "mine.txt").write_text("kept")
    if damage == "change":
        (place / path).write_bytes(b"other")
    else:
        (place / path).unlink()
    assert not is_there(place, ABOUT)
    write(place, ABOUT, things(), "the licence")
    assert is_there(place, ABOUT)
    assert listing(place) == before | {"mine.txt": b"kept"}


def test_an_interrupted_fetch_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[FetchedFile]:
        yield from things(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "raw", ABOUT, broken(), "")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_fetch_left_is_no_part_of_the_next(tmp_path: Path) -> None:
    left = tmp_path / ".raw.part"
    (left / "old").mkdir(parents=True)
    (left / "old/half.webp").write_bytes(b"half")
    write(tmp_path / "raw", ABOUT, things(), "")
    assert not left.exists()
    assert not (tmp_path / "raw/old").exists()


def test_two_fetches_do_not_mix(tmp_path: Path) -> None:
    staging = tmp_path / ".raw.part"
    staging.mkdir()
    held = os.open(staging, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        with pytest.raises(DataError, match="another fetch is writing there"):
            write(tmp_path / "raw", ABOUT, things(), "")
    finally:
        os.close(held)
    assert write(tmp_path / "raw", ABOUT, things(), "") == 3


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.jpg").write_bytes(b"x")
    with pytest.raises(SpecError, match="not empty; choose a new folder"):
        is_there(tmp_path, ABOUT)
    place = tmp_path / "raw"
    write(place, ABOUT, things(), "")
    with pytest.raises(SpecError, match="fetched with background = '#ffffff'; choose a new folder"):
        is_there(place, ABOUT | {"background": "#000000"})


@pytest.mark.parametrize("name", ["../up.webp", ".hidden", "a\nb", ""])
def test_a_name_that_cannot_be_a_file_is_refused(tmp_path: Path, name: str) -> None:
    odd = FetchedFile(name, b"", "", "class", "", "")
    with pytest.raises(DataError, match="found twice, or cannot be a file's name"):
        write(tmp_path / "raw", ABOUT, [odd], "")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"Not a directory|File exists"):
        write(tmp_path / "file/raw", ABOUT, things(), "")
