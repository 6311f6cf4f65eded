from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from aigc.data.dataset import Dataset, open_dataset
from aigc.errors import AigcError, DataError


def test_it_says_what_it_holds(numbered: Dataset) -> None:
    assert (numbered.height, numbered.width, numbered.channels) == (8, 8, 1)
    assert numbered.counts == {"train": 600, "test": 0}
    assert numbered.per_class["train"] == {"a": 200, "b": 200, "c": 200}
    assert [block.rows for block in numbered.blocks("train")] == [64] * 9 + [24]
    assert len(numbered.digest) == 64


def test_a_limit_draws_the_same_rows_each_time(numbered: Dataset) -> None:
    everything, labels = numbered.read("train")
    place = {image.tobytes(): row for row, image in enumerate(everything)}
    first, names = numbered.read("train", limit=50, seed=1)
    again, _ = numbered.read("train", limit=50, seed=1)
    other, _ = numbered.read("train", limit=50, seed=2)
    found = [place[image.tobytes()] for image in first]
    assert len(set(found)) == 50
    assert np.array_equal(names, labels[found])
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert found != sorted(found)


def test_a_limit_beyond_the_split_is_all_of_it(numbered: Dataset) -> None:
    assert len(numbered.read("train", limit=9999)[0]) == 600
    assert numbered.read("test")[0].shape == (0, 8, 8, 1)


@pytest.mark.parametrize("size", [1, 100, 128, 600, 1000])
def test_batches_are_the_split_in_order(numbered: Dataset, size: int) -> None:
    pixels, labels = numbered.read("train")
    batches = list(numbered.batches("train", size))
    assert [len(names) for _, names in batches[:-1]] == [size] * (len(batches) - 1)
    assert np.array_equal(np.concatenate([images for images, _ in batches]), pixels)
    assert np.array_equal(np.concatenate([names for _, names in batches]), labels)


def test_an_unknown_split_is_named(numbered: Dataset) -> None:
    with pytest.raises(DataError, match="no split 'dev'; it has"):
        numbered.read("dev")


def test_a_missing_set_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="aigc data prepare SOURCE"):
        open_dataset(str(tmp_path / "none"))


@pytest.mark.parametrize("damage", ["truncated", "missing", "marker"])
def test_damage_is_one_line(numbered: Dataset, tmp_path: Path, damage: str) -> None:
    shutil.copytree(numbered.uri, tmp_path / "data")
    shard = tmp_path / "data/train/part-00000.parquet"
    match damage:
        case "truncated":
            shard.write_bytes(shard.read_bytes()[:5000])
        case "missing":
            shard.unlink()
        case "marker":
            (tmp_path / "data/dataset.json").write_text("{")
    with pytest.raises(AigcError, match=r"not a readable Parquet file|not found|damaged"):
        open_dataset(str(tmp_path / "data")).read("train")
