from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aigc.data.fetch import FetchOptions, fetch, furniture
from aigc.errors import DataError, SpecError
from tests.data.fetch.packs import Files, deb, pinned, see_through, zipped

TABLE = """\
# a comment=1
id=SweetHome3D#Things
license=Public domain

id#1=Things#armchair
name#1=Armchair \\u0026 caf\xe9
category#1=Living room
icon#1=/things/armchair.png
model#1=/things/armchair/armchair.obj
creator#1=Ann & Bob

id#2=Things#lamp
name#2=Lamp
category#2=Lights
icon#2=/things/lamp.png
model#2=/things/lamp/lamp.obj
modelRotation#2=1 0 0 0 0 -1 0 1 0
creator#2=
"""
OBJ = b"""\
mtllib model.mtl
v -1 0 -1
v 1 0 -1
v 1 0 1
v -1 0 1
v 0 2 0
usemtl red
f 1 2
f 1 2 5
f 2 3 5
f 3 4 5
f 4 1 5
"""
MTL = b"newmtl red\nKa 1 1 1\nKd 0.9 0.1 0.1\nKs 0 0 0\nNs 1\nd 1\nillum 2\n"
FOLDER = "usr/share/sweethome3d/furniture/"


def catalogue(table: str = TABLE) -> Files:
    return {
        "PluginFurnitureCatalog.properties": table.encode("latin-1"),
        "things/armchair.png": see_through((250, 250, 250)),
        "things/lamp.png": see_through((200, 0, 0)),
        "things/armchair/armchair.obj": OBJ,
        "things/armchair/armchair.mtl": MTL,
        "things/lamp/lamp.obj": OBJ,
        "things/lamp/lamp.mtl": MTL,
        "things/lamp/../../evil": b"evil",
    }


def package(table: str = TABLE) -> bytes:
    files = {f"{FOLDER}{name}.sh3f": zipped(catalogue(table)) for name in furniture.CATALOGUES}
    return deb({"usr/share/doc/sweethome3d-furniture/copyright": b"CC-BY and CC0", **files})


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "upstream"
    monkeypatch.setattr(furniture, "PACKAGE", pinned(folder / "furniture.deb", package()))
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_products_come_with_licence_and_creator_and_only_once(
    upstream: Path, tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    assert fetch("furniture", str(raw))
    found = {row["file_name"]: row for row in rows(raw)}
    assert len(found) == 10
    assert found["Living room/BlendSwap-CC-0-armchair.webp"] == {
        "file_name": "Living room/BlendSwap-CC-0-armchair.webp",
        "text": "Armchair & café",
        "label": "Living room",
        "licence": "CC0-1.0",
        "creator": "Ann & Bob",
    }
    assert found["Lights/Scopia-lamp.webp"]["licence"] == "CC-BY-3.0"
    assert found["Lights/Scopia-lamp.webp"]["creator"] == "Scopia"
    assert "CC-BY and CC0" in (raw / "LICENSE").read_text()
    assert not fetch("furniture", str(raw))
    assert not list(tmp_path.glob("**/evil"))


def test_white_goods_are_seen(upstream: Path, tmp_path: Path) -> None:
    fetch("furniture", str(tmp_path / "raw"))
    with Image.open(tmp_path / "raw/Living room/Scopia-armchair.webp") as image:
        assert image.getpixel((8, 8)) == (250, 250, 250)
        assert image.getpixel((0, 0)) == (0xE3, 0xE9, 0xEF)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (deb({f"{FOLDER}Scopia.sh3f": b"x"}), "has no BlendSwap-CC-0.sh3f"),
        (deb({f"{FOLDER}{name}.sh3f": b"x" for name in furniture.CATALOGUES}), "sh3f: damaged"),
        (package(TABLE.replace("name#2", "title#2")), "entry 2 has no 'name'"),
        (package(TABLE.replace("lamp.png", "none.png")), "has no member 'things/none.png'"),
        (package(TABLE.replace("1 0 0 0 0 -1", "1 0")), "not a 3x3 matrix"),
        (package(TABLE.replace("lamp.png", "armchair.png")), "found twice"),
    ],
)
def test_a_hostile_package_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, reason: str
) -> None:
    monkeypatch.setattr(furniture, "PACKAGE", pinned(tmp_path / "up/furniture.deb", data))
    if "twice" in reason:
        data = package(TABLE.replace("lamp.png", "armchair.png").replace("Lights", "Living room"))
        monkeypatch.setattr(furniture, "PACKAGE", pinned(tmp_path / "up/furniture.deb", data))
    with pytest.raises(DataError, match=reason):
        fetch("furniture", str(tmp_path / "raw"))
    assert [path.name for path in tmp_path.iterdir()] == ["up"]


def test_categories_are_safe_folder_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = TABLE.replace("Living room", "../../Living/room").replace("Lights", "..")
    monkeypatch.setattr(furniture, "PACKAGE", pinned(tmp_path / "up/f.deb", package(table)))
    fetch("furniture", str(tmp_path / "raw"))
    assert {row["label"] for row in rows(tmp_path / "raw")} == {"Living room", "other"}


@pytest.mark.parametrize("views", [0, -1, 1000])
def test_an_odd_number_of_views_is_one_line(tmp_path: Path, views: int) -> None:
    with pytest.raises(SpecError, match=r"turntable = .*: expected a number of views in 1..72"):
        fetch("furniture", str(tmp_path / "raw"), options=FetchOptions(turntable=views))


@pytest.mark.skipif(importlib.util.find_spec("vtkmodules") is not None, reason="VTK is here")
def test_without_vtk_it_says_so(upstream: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"turntable: VTK cannot be loaded .*aigc\[render\]"):
        fetch("furniture", str(tmp_path / "raw"), options=FetchOptions(turntable=2))
    assert not (tmp_path / "raw").exists()


@pytest.mark.skipif(importlib.util.find_spec("vtkmodules") is None, reason="needs VTK")
def test_a_turntable_shows_each_side(upstream: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    fetch("furniture", str(raw), options=FetchOptions(turntable=3))
    assert len(rows(raw)) == 30
    views = [raw / f"Living room/Scopia-armchair-view{number:02d}.webp" for number in range(3)]
    pixels = []
    for view in views:
        with Image.open(view) as image:
            assert image.size == (256, 256)
            assert image.getpixel((0, 0)) == (0xE3, 0xE9, 0xEF)
            red, green, blue = np.asarray(image)[140, 128].tolist()
            assert red > 2 * max(green, blue)
            pixels.append(image.tobytes())
    assert len(set(pixels)) == 3
