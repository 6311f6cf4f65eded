"""The nearest training item of each item of a set, whatever its form and writer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from aigc import storage
from aigc.data.dataset import open_dataset
from aigc.errors import JobError
from aigc.evaluation.nearest import TrainingIndex, baseline
from aigc.output import commit
from aigc.sets import read
from aigc.sets.release.memorisation import judge, training_items
from aigc.sets.release.nearest import read_nearest, write_nearest
from tests.sets.release.conftest import Shop, TrainedMaker, prepared_from


def nearest(out: str, data: str, where: str | None = None, loads: list[int] | None = None) -> str:
    job, manifest = commit.read_job(out), commit.read_manifest(out)
    assert manifest is not None
    dataset = open_dataset(data)

    def load() -> TrainingIndex:
        (loads if loads is not None else []).append(1)
        return TrainingIndex(dataset)

    return write_nearest(where or out, out, job, commit.read_records(out), manifest, dataset, load)


def test_each_item_has_its_nearest(shop: Shop, tmp_path: Path) -> None:
    uri = nearest(shop.out, shop.data, str(tmp_path))
    table = pq.read_table(uri)
    assert table["index"].to_pylist() == list(range(100))
    job = commit.read_job(shop.out)
    items = read.stored(shop.out, job, commit.read_records(shop.out), range(100))
    made = np.stack([items[at].values() for at in range(100)]).astype(float)
    train = shop.dataset.read("train")[0].astype(float)
    rms = np.sqrt(((made[:, None] - train[None]) ** 2).mean(axis=(2, 3, 4)))
    np.testing.assert_allclose(table["distance"].to_numpy(), rms.min(1), atol=1e-3)
    np.testing.assert_array_equal(table["training_index"].to_numpy(), rms.argmin(1))


def test_it_is_made_once(shop: Shop, tmp_path: Path) -> None:
    loads: list[int] = []
    first = nearest(shop.out, shop.data, str(tmp_path), loads)
    made = storage.read_bytes(first)
    assert nearest(shop.out, shop.data, str(tmp_path), loads) == first
    assert loads == [1]
    (tmp_path / "nearest.parquet").write_bytes(b"cut off")
    nearest(shop.out, shop.data, str(tmp_path), loads)
    assert (loads, storage.read_bytes(first)) == ([1, 1], made)


@pytest.mark.parametrize(
    "options",
    [
        {"writer": "files"},
        {"writer": "webdataset", "codec": "webp"},
        {"codec": "raw"},
        {"codec": "jpeg", "quality": 95, "width": 48, "height": 48, "colour": "rgb"},
    ],
)
def test_other_forms_have_the_same_neighbours(
    shop: Shop, trained: TrainedMaker, tmp_path: Path, options: dict[str, object]
) -> None:
    trained.finished(str(tmp_path / "plain"))
    trained.finished(str(tmp_path / "set"), **options)
    plain, other = (
        pq.read_table(nearest(str(tmp_path / name), shop.data)) for name in ("plain", "set")
    )
    np.testing.assert_allclose(other["distance"].to_numpy(), plain["distance"].to_numpy(), atol=5)
    same = other["training_index"].to_numpy() == plain["training_index"].to_numpy()
    assert same.mean() > 0.9


def test_a_set_that_repeats_its_data_is_found_out(trained: TrainedMaker, tmp_path: Path) -> None:
    out = str(tmp_path / "set")
    trained.finished(out, writer="files")
    data = prepared_from(tmp_path / "set" / "images", tmp_path / "data")
    dataset = open_dataset(data)
    uri = nearest(out, data)
    found = judge(100, read_nearest(uri), baseline(dataset, lambda: TrainingIndex(dataset)))
    assert found.is_suspected
    assert found.suspect >= found.copies >= dataset.counts["train"]
    assert (found.items, found.compared) == (100, 100)
    assert [pair.distance for pair in found.pairs] == [0.0] * 10
    assert sum(found.histogram.items) == 100
    assert sum(found.histogram.baseline) == pytest.approx(100)
    job = commit.read_job(out)
    items = read.stored(out, job, commit.read_records(out), [one.index for one in found.pairs])
    originals = training_items(dataset, [one.training_index for one in found.pairs])
    for pair in found.pairs:
        original = originals[pair.training_index]
        shown = dataset.kind.decode(original.file, dataset.item)
        np.testing.assert_array_equal(shown, items[pair.index].values())
        assert original.id


def test_a_set_of_its_own_is_not_suspected(shop: Shop, tmp_path: Path) -> None:
    dataset = shop.dataset
    uri = nearest(shop.out, shop.data, str(tmp_path))
    found = judge(100, read_nearest(uri), baseline(dataset, lambda: TrainingIndex(dataset)))
    assert not found.is_suspected
    assert (found.copies, found.share) == (0, found.suspect / 100)
    assert found.baseline_median is not None
    distances = pq.read_table(uri)["distance"].to_numpy()
    assert abs(found.median - float(np.median(distances))) <= 0.25
    assert found.pairs[0].distance == distances.min()
    closest: dict[int, float] = {}
    for part in read_nearest(uri):
        for at, distance in zip(part.nearest.tolist(), part.distances.tolist(), strict=True):
            closest[at] = min(distance, closest.get(at, 255.0))
    assert [one.distance for one in found.pairs] == sorted(closest.values())[:10]
    alone = judge(100, read_nearest(uri), None)
    assert (alone.baseline_share, list(alone.histogram.baseline)) == (None, [])


def test_an_item_that_cannot_become_training_data_is_left_out(
    trained: TrainedMaker, tmp_path: Path
) -> None:
    out = str(tmp_path / "set")
    trained.finished(out, writer="files", width=12, height=12)
    data = prepared_from(tmp_path / "set" / "images", tmp_path / "data")
    marker = tmp_path / "data" / "dataset.json"
    info = json.loads(marker.read_text())
    marker.write_text(json.dumps(info | {"spec": info["spec"] | {"max_pixels": 10}}))
    uri = nearest(out, data)
    found = judge(100, read_nearest(uri), None)
    assert (found.compared, found.share, found.pairs) == (0, 0.0, ())
    assert pq.read_table(uri)["distance"].null_count == 100


def test_damaged_items_stop_it(trained: TrainedMaker, shop: Shop, tmp_path: Path) -> None:
    out = str(tmp_path / "set")
    trained.finished(out, writer="files")
    first = sorted((tmp_path / "set" / "images").rglob("*.png"))[0]
    first.write_bytes(first.read_bytes()[:60])
    with pytest.raises(JobError, match=r"an item near .* is damaged"):
        nearest(out, shop.data)
    assert not (tmp_path / "set" / "nearest.parquet").exists()
