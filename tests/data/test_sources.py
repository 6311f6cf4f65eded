from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aigc.data.opening import open_source
from aigc.data.sources import Input, RawSource
from aigc.errors import AigcError, DataError
from aigc.specs import PrepareSpec
from tests.data.pictures import encoded, folder, noise, spec


def items(source: RawSource, chosen: PrepareSpec) -> dict[str, Input]:
    return {item.id: item for chunk in source.chunks for item in chunk.items(chosen)}


def test_sub_folders_are_classes(tmp_path: Path) -> None:
    folder(tmp_path, {"cats": 2, "dogs": 3})
    (tmp_path / "dogs" / "more").mkdir()
    (tmp_path / "dogs" / "more" / "deep.png").write_bytes(encoded(noise(9)))
    (tmp_path / "dogs" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "README.md").write_text("about")
    chosen = spec(tmp_path, "out")
    source = open_source(chosen)
    assert source.labels == ("cats", "dogs")
    assert (source.total, source.own_split) == (6, False)
    found = items(source, chosen)
    assert found["dogs/more/deep.png"].label == 1
    assert not any(item.test for item in found.values())


def test_train_and_test_folders_are_a_split(tmp_path: Path) -> None:
    folder(tmp_path / "train", {"a": 2, "b": 2})
    folder(tmp_path / "val", {"b": 1}, first_seed=10)
    chosen = spec(tmp_path, "out")
    source = open_source(chosen)
    assert source.own_split
    assert source.labels == ("a", "b")
    assert [id for id, item in items(source, chosen).items() if item.test] == ["val/b/0000.png"]


def test_three_splits_are_not_taken_for_classes(tmp_path: Path) -> None:
    for name in ("train", "test", "val"):
        folder(tmp_path / name, {"a": 1})
    chosen = spec(tmp_path, "out")
    found = items(open_source(chosen), chosen)
    assert {id: item.test for id, item in found.items()} == {
        "train/a/0000.png": False,
        "test/a/0000.png": True,
        "val/a/0000.png": True,
    }


def test_images_without_folders_have_no_class(tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(encoded(noise(0)))
    source = open_source(spec(tmp_path, "out"))
    assert (source.labels, source.total) == ((), 1)


def test_classes_named_by_numbers_are_in_their_order(tmp_path: Path) -> None:
    folder(tmp_path, {"10": 1, "9": 1, "2": 1})
    assert open_source(spec(tmp_path, "out")).labels == ("2", "9", "10")


@pytest.mark.parametrize("make", [True, False])
def test_nothing_to_read_is_one_clear_line(tmp_path: Path, make: bool) -> None:
    place = tmp_path / "raw"
    if make:
        place.mkdir()
    with pytest.raises(DataError, match="no images found" if make else "not found"):
        open_source(spec(place, "out"))


def table(path: Path, columns: dict[str, object], metadata: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = pa.table(columns)
    if metadata:
        made = made.replace_schema_metadata({"huggingface": metadata})
    pq.write_table(made, path, row_group_size=2)
    return path


PNGS = [encoded(noise(n)) for n in range(4)]


def test_parquet_of_bytes_and_names(tmp_path: Path) -> None:
    path = table(tmp_path / "one.parquet", {"image": PNGS, "label": ["b", "a", "b", None]})
    chosen = spec(path, "out")
    source = open_source(chosen)
    found = list(items(source, chosen).values())
    assert source.labels == ("a", "b")
    assert [item.label for item in found[:3]] == [1, 0, 1]
    assert [item.reason for item in found] == ["", "", "", "no label"]
    assert found[0].id == "one.parquet:00000000"


def test_parquet_of_structs_and_class_names(tmp_path: Path) -> None:
    cells = [{"bytes": data, "path": None} for data in [*PNGS[:3], None]]
    names = '{"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}'
    table(
        tmp_path / "data/train-00000-of-1.parquet", {"image": cells, "label": [0, 1, 7, 1]}, names
    )
    table(tmp_path / "data/test-00000-of-1.parquet", {"image": cells[:1], "label": [1]}, names)
    chosen = spec(tmp_path, "out")
    source = open_source(chosen)
    found = items(source, chosen)
    assert source.labels == ("cat", "dog")
    assert source.own_split
    reasons = [item.reason for item in found.values() if item.reason]
    assert sorted(reasons) == ["label 7 is not one of the 2 classes", "no image bytes"]
    assert sum(item.test for item in found.values()) == 1


def test_parquet_of_plain_numbers(tmp_path: Path) -> None:
    path = table(tmp_path / "one.parquet", {"image": PNGS, "label": [0, 2, 2, 0]})
    assert open_source(spec(path, "out")).labels == ("0", "2")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"image_column": "photo"}, "no column 'photo'; set image_column to one of"),
        ({"label_column": "kind"}, "no column 'kind'; set label_column to one of"),
        ({"image_column": "label", "label_column": ""}, "expected binary or struct"),
        ({"label_column": "price"}, "has the label 1.5; labels are names or whole numbers"),
    ],
)
def test_wrong_columns_are_named(tmp_path: Path, fields: dict[str, str], reason: str) -> None:
    columns = {"image": PNGS, "label": [0, 1, 0, 1], "price": [1.5] * 4}
    path = table(tmp_path / "one.parquet", columns)
    with pytest.raises(DataError, match=reason):
        open_source(spec(path, "out", **fields))


def test_a_damaged_parquet_file_is_one_line(tmp_path: Path) -> None:
    path = table(tmp_path / "one.parquet", {"image": PNGS, "label": [0, 1, 0, 1]})
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="not a readable Parquet file"):
        open_source(spec(path, "out"))


def test_damage_inside_a_parquet_file_is_one_line(tmp_path: Path) -> None:
    path = table(tmp_path / "one.parquet", {"image": PNGS, "label": [0, 1, 0, 1]})
    data = bytearray(path.read_bytes())
    data[4:400] = bytes(396)
    path.write_bytes(data)
    chosen = spec(path, "out", label_column="")
    with pytest.raises(AigcError, match=r"one.parquet: "):
        items(open_source(chosen), chosen)
