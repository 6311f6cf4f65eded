"""Archives from anybody: no name of a member is written to, and what is unpacked is bounded."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from aigc.data.fetch.archives import deb_members, open_zip, tar_members
from aigc.errors import DataError
from tests.data.fetch.packs import deb, tar, zipped

FILES = {"a/one.txt": b"1" * 100, "a/two.bin": b"2" * 300}
MIB = 2**20


def every(name: str) -> bool:
    return True


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("kind", "name"), [("gz", "a.tgz"), ("xz", "a.tar.xz")])
def test_wanted_members_come_with_their_bytes(tmp_path: Path, kind: str, name: str) -> None:
    path = put(tmp_path / name, tar(FILES, kind))
    found = dict(tar_members(path, lambda inner: inner.endswith(".txt"), 100, MIB))
    assert found == {"a/one.txt": b"1" * 100}


def test_names_of_members_are_no_paths(tmp_path: Path) -> None:
    names = {"../evil": b"x", "/etc/evil": b"y", "./fine": b"z"}
    path = put(tmp_path / "a.tgz", tar(names))
    assert dict(tar_members(path, every, MIB, MIB)) == {
        "../evil": b"x",
        "/etc/evil": b"y",
        "fine": b"z",
    }
    copies = deb_members(put(tmp_path / "a.deb", deb(names)), every, MIB, tmp_path)
    assert {copy.parent for copy in copies.values()} == {tmp_path}
    assert not (tmp_path.parent / "evil").exists()


def test_links_and_devices_are_passed_over(tmp_path: Path) -> None:
    link, device = tarfile.TarInfo("link"), tarfile.TarInfo("device")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    device.type = tarfile.CHRTYPE
    path = put(tmp_path / "a.tgz", tar({"file": b"x"}, extra=(link, device)))
    assert dict(tar_members(path, every, MIB, MIB)) == {"file": b"x"}


def test_a_member_or_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "a.tgz", tar({"big": bytes(40 * MIB), "small": b"x"}))
    assert path.stat().st_size < MIB
    with pytest.raises(DataError, match=r"a.tgz: big has 41,943,040 bytes, more than 1,048,576"):
        list(tar_members(path, every, MIB, 64 * MIB))
    with pytest.raises(DataError, match=r"a.tgz: unpacks to more than 2,097,152 bytes"):
        list(tar_members(path, lambda name: name == "small", MIB, 2 * MIB))
    package = put(tmp_path / "a.deb", deb({"big": bytes(40 * MIB)}))
    with pytest.raises(DataError, match=r"a.deb: unpacks to more than 2,097,152 bytes"):
        deb_members(package, every, 2 * MIB, tmp_path)


def test_a_debian_package_gives_its_files(tmp_path: Path) -> None:
    path = put(tmp_path / "a.deb", deb(FILES))
    found = deb_members(path, lambda name: name == "a/two.bin", MIB, tmp_path)
    assert {name: copy.read_bytes() for name, copy in found.items()} == {"a/two.bin": b"2" * 300}


def test_zip_members_are_bounded(tmp_path: Path) -> None:
    path = put(tmp_path / "a", zipped({"one": b"1" * 100, "big": bytes(2 * MIB)}))
    with open_zip(path, "a.sh3f", MIB) as source:
        assert source.names == {"one", "big"}
        assert source.read("one") == b"1" * 100
        with pytest.raises(DataError, match=r"a.sh3f: big has 2,097,152 bytes, more than"):
            source.read("big")
        with pytest.raises(DataError, match=r"a.sh3f: has no member 'two'"):
            source.read("two")


def test_a_zip_that_states_a_smaller_size_is_refused(tmp_path: Path) -> None:
    data = zipped({"big": bytes(2 * MIB)})
    size = (2 * MIB).to_bytes(4, "little")
    path = put(tmp_path / "a", data.replace(size, (100).to_bytes(4, "little")))
    with open_zip(path, "a.sh3f", MIB) as source, pytest.raises(DataError, match=r"a.sh3f: "):
        source.read("big")


def _cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def _spoil(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes(40) + data[len(data) // 2 + 40 :]


@pytest.mark.parametrize("damage", [_cut, _spoil, lambda data: b"", lambda data: b"<html>" * 99])
@pytest.mark.parametrize("kind", ["tgz", "tar.xz", "deb", "zip"])
def test_damage_is_one_line(tmp_path: Path, kind: str, damage: Callable[[bytes], bytes]) -> None:
    import random

    files = {"a": random.Random(0).randbytes(5000), "b": b"b" * 5000}
    make = {
        "tgz": lambda: tar(files),
        "tar.xz": lambda: tar(files, "xz"),
        "deb": lambda: deb(files),
        "zip": lambda: zipped(files),
    }[kind]
    path = put(tmp_path / f"a.{kind}", damage(make()))
    with pytest.raises(DataError, match=rf"a\.{kind}: ") as caught:
        if kind == "deb":
            deb_members(path, every, MIB, tmp_path)
        elif kind == "zip":
            with open_zip(path, path.name, MIB) as source:
                [source.read(name) for name in sorted(source.names)]
        else:
            list(tar_members(path, every, MIB, MIB))
    assert "\n" not in str(caught.value)
