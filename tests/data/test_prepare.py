from __future__ import annotations

import gzip
import json
import resource
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from aigc.data.dataset import open_dataset
from aigc.data.opening import open_source
from aigc.data.prepare import R as Result
from aigc.data.prepare import T, in_process
from aigc.data.prepare import prepare as prepare_with
from aigc.distributed.prepare import run
from aigc.errors import DataError, SpecError, StorageError
from aigc.modalities import ItemType
from aigc.modalities.image.spec import PrepareImages
from tests.data.pictures import encoded, folder, noise, spec
from tests.data.test_idx import packed


def backwards(function: Callable[[T], Result], tasks: Sequence[T]) -> Iterator[Result]:
    for task in reversed(tasks):
        yield function(task)


def rows(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """100 pictures in two classes."""
    return folder(tmp_path / "shop", {"hats": 40, "shoes": 60})


def test_a_folder_becomes_a_data_set(shop: Path, tmp_path: Path) -> None:
    made = run(spec(shop, tmp_path / "out", test_fraction=0.2))
    assert (made["train"], made["test"], made["rejects"]) == (80, 20, 0)
    data = open_dataset(str(tmp_path / "out"))
    assert data.labels == ("hats", "shoes")
    assert data.per_class["test"] == {"hats": 8, "shoes": 12}
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "README.md",
        "dataset.json",
        "duplicates.parquet",
        "preview.png",
        "rejects.parquet",
        "test",
        "train",
    }
    pixels, labels = data.read("train")
    stored = pq.read_table(tmp_path / "out/train/part-00000.parquet").to_pylist()
    for row, image, label in zip(stored, pixels, labels, strict=True):
        kind, number = row["id"].removesuffix(".png").split("/")
        assert np.array_equal(image, noise(int(number) + 40 * (kind == "shoes")))
        assert data.labels[label] == kind == data.labels[row["label"]]
        assert row["image"]["path"] == row["id"]
    assert np.allclose(data.info["mean"], pixels.mean((0, 1, 2)) / 255, atol=1e-5)
    assert np.allclose(data.info["std"], pixels.std((0, 1, 2)) / 255, atol=1e-5)


def test_three_of_a_hundred_corrupt_are_rejected_with_reasons(shop: Path, tmp_path: Path) -> None:
    (shop / "hats/0000.png").write_bytes(b"")
    (shop / "hats/0001.png").write_bytes(encoded(noise(1))[:-300])
    (shop / "shoes/0002.png").write_text("not an image")
    made = run(spec(shop, tmp_path / "out"))
    assert (made["train"] + made["test"], made["rejects"]) == (97, 3)
    found = {row["id"]: row["reason"] for row in rows(tmp_path / "out/rejects.parquet")}
    assert set(found) == {"hats/0000.png", "hats/0001.png", "shoes/0002.png"}
    assert found["hats/0000.png"] == "empty file"


@pytest.mark.parametrize("limit", [0, 0.02, 2])
def test_past_max_rejects_it_stops_and_leaves_nothing(
    shop: Path, tmp_path: Path, limit: float
) -> None:
    for number in range(3):
        (shop / f"hats/{number:04d}.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"3 of 100 inputs rejected.*hats/0000.png: not an image"):
        run(spec(shop, tmp_path / "out", max_rejects=limit))
    assert not (tmp_path / "out").exists()


def test_a_folder_of_nothing_but_rubbish_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "raw/a").mkdir(parents=True)
    (tmp_path / "raw/a/x.png").write_bytes(b"x")
    with pytest.raises(
        DataError, match=r"no training image is left.* 1 rejected \(a/x.png: not an image"
    ):
        run(spec(tmp_path / "raw", tmp_path / "out", max_rejects=9))
    assert not (tmp_path / "out").exists()


def test_duplicates_are_dropped_and_reported(shop: Path, tmp_path: Path) -> None:
    (shop / "shoes/9998.png").write_bytes(encoded(noise(0)))
    close = noise(50)
    close[0, 0] ^= 7
    (shop / "shoes/9999.png").write_bytes(encoded(close))
    made = run(spec(shop, tmp_path / "out"))
    assert made["duplicates"] == {"exact": 1, "near": 1}
    assert made["train"] + made["test"] == 100
    exact, near = rows(tmp_path / "out/duplicates.parquet")
    assert exact["dropped"] == "shoes/9998.png"
    assert (exact["kept"], exact["kept_label"]) == ("hats/0000.png", "hats")
    assert (near["kept"], near["dropped"], near["kind"]) == (
        "shoes/0010.png",
        "shoes/9999.png",
        "near",
    )
    assert 0 < near["rmse"] < 4


def test_a_test_image_is_never_trained_on(tmp_path: Path) -> None:
    source = folder(tmp_path / "raw/train", {"a": 10})
    folder(tmp_path / "raw/test", {"a": 3})  # the same pictures as the first three
    (tmp_path / "raw/test/a/again.png").write_bytes(encoded(noise(0)))
    made = run(spec(source.parent, tmp_path / "out"))
    assert (made["train"], made["test"]) == (7, 4)
    dropped = {row["dropped"] for row in rows(tmp_path / "out/duplicates.parquet")}
    assert dropped == {f"train/a/{n:04d}.png" for n in range(3)}


def test_the_result_does_not_depend_on_who_did_what_when(shop: Path, tmp_path: Path) -> None:
    made = []
    for number, execute in enumerate((in_process, backwards)):
        chosen = spec(shop, tmp_path / f"out{number}", size=64)
        made.append(prepare_with(chosen, open_source(chosen), cast(Any, execute)))
    assert made[0]["digest"] == made[1]["digest"]
    for split in ("train", "test"):
        first, second = (
            (tmp_path / f"out{n}" / split / "part-00000.parquet").read_bytes() for n in (0, 1)
        )
        assert first == second


def test_another_seed_is_another_split(shop: Path, tmp_path: Path) -> None:
    first = run(spec(shop, tmp_path / "one"))
    second = run(spec(shop, tmp_path / "two", seed=1))
    assert first["digest"] != second["digest"]


class Killed(BaseException):
    pass


def test_a_killed_run_leaves_no_set_and_the_same_call_finishes_it(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aigc.data.sources.CHUNK_BYTES", 16 * 16 * 3 * 16)
    done: list[str] = []

    def dies(function: Callable[[T], Result], tasks: Sequence[T]) -> Iterator[Result]:
        for task in tasks:
            if len(done) == 4:
                raise Killed
            done.append(task.out)  # type: ignore[attr-defined]
            yield function(task)

    chosen = spec(shop, tmp_path / "out")
    with pytest.raises(Killed):
        prepare_with(chosen, open_source(chosen), cast(Any, dies))
    with pytest.raises(DataError, match="unfinished"):
        open_dataset(str(tmp_path / "out"))
    with pytest.raises(SpecError, match="unfinished set of another spec"):
        run(chosen.model_copy(update={"seed": 5}))
    times = {path: Path(path).stat().st_mtime_ns for path in done}
    seen = []

    def watching(function: Callable[[T], Result], tasks: Sequence[T]) -> Iterator[Result]:
        yield from in_process(function, tasks)
        seen.extend(Path(path).stat().st_mtime_ns == time for path, time in times.items())
        times.clear()

    made = prepare_with(chosen, open_source(chosen), cast(Any, watching))
    assert seen == [True] * 4
    assert made["digest"] == run(spec(shop, tmp_path / "fresh"))["digest"]
    assert not (tmp_path / "out/_work").exists()


def test_a_set_made_before_a_field_existed_is_reused(shop: Path, tmp_path: Path) -> None:
    chosen = spec(shop, tmp_path / "out")
    run(chosen)
    marker = tmp_path / "out/dataset.json"
    stored = json.loads(marker.read_text())
    del stored["spec"]["background"], stored["spec"]["max_pixels"]
    marker.write_text(json.dumps(stored))
    assert run(chosen)["reused"]
    with pytest.raises(SpecError, match="made with background = '#ffffff'"):
        run(chosen.model_copy(update={"background": "#f5f5dc"}))


def test_a_finished_set_is_reused_and_another_spec_refused(shop: Path, tmp_path: Path) -> None:
    chosen = spec(shop, tmp_path / "out")
    assert not run(chosen)["reused"]
    marker = (tmp_path / "out/dataset.json").stat().st_mtime_ns
    assert run(chosen)["reused"]
    assert (tmp_path / "out/dataset.json").stat().st_mtime_ns == marker
    with pytest.raises(SpecError, match="made with size = 16"):
        run(chosen.model_copy(update={"size": 32}))


def test_a_folder_in_use_is_never_written_to(shop: Path, tmp_path: Path) -> None:
    split = folder(tmp_path / "raw/train", {"a": 2}).parent
    folder(split / "test", {"a": 1})
    for out in (split, shop):
        with pytest.raises(SpecError, match="not empty"):
            run(spec(split, out))
    with pytest.raises(SpecError, match="inside the source"):
        run(spec(shop, shop / "out"))
    assert len(list(split.rglob("*.png"))) == 3


def test_shards_keep_to_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aigc.data.shards._GROUP_BYTES", 2**20)
    rng = np.random.default_rng(0)
    for number in range(70):
        pixels = rng.integers(0, 256, (128, 128, 3), dtype=np.uint8)
        path = tmp_path / f"raw/{'ab'[number % 2]}/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(pixels, compress_level=0))
    made = run(spec(tmp_path / "raw", tmp_path / "out", size=128, shard_bytes=2**20))
    files = sorted((tmp_path / "out/train").iterdir())
    assert len(files) >= 3
    assert all(path.stat().st_size < 1.5 * 2**20 for path in files)
    ids = [row["id"] for path in files for row in rows(path)]
    assert len(ids) == len(set(ids)) == made["train"]


def idx_folder(root: Path) -> Path:
    root.mkdir()
    for split, count, first in (("train", 30, 0), ("t10k", 6, 100)):
        pixels = np.stack([noise(first + n, 16, channels=1) for n in range(count)])
        data = gzip.compress(packed(pixels))
        (root / f"{split}-images-idx3-ubyte.gz").write_bytes(data)
        (root / f"{split}-labels-idx1-ubyte").write_bytes(packed(np.arange(count) % 3))
    (root / "labels.txt").write_text("red\ngreen\nblue\n")
    (root / "source.json").write_text(json.dumps({"name": "Dots", "licence": "MIT"}))
    return root


def test_idx_keeps_its_split_names_and_licence(tmp_path: Path) -> None:
    made = run(spec(idx_folder(tmp_path / "raw"), tmp_path / "out", channels=1))
    data = open_dataset(made["uri"])
    assert (data.counts, data.labels) == ({"train": 30, "test": 6}, ("red", "green", "blue"))
    assert (data.source, data.licence, data.channels) == ("Dots", "MIT", 1)
    card = (tmp_path / "out/README.md").read_text()
    assert "license: mit" in card
    assert "| green | 10 | 2 |" in card


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("train-images-idx3-ubyte.gz", b"\x1f\x8b broken", "damaged gzip"),
        ("train-labels-idx1-ubyte", packed(np.arange(29)), "30 images, 29 labels"),
        ("train-labels-idx1-ubyte", None, "only one of its images and labels"),
        ("labels.txt", b"red\n", "1 names, but the data has label 2"),
    ],
)
def test_damaged_idx_is_one_line(
    tmp_path: Path, name: str, data: bytes | None, reason: str
) -> None:
    root = idx_folder(tmp_path / "raw")
    (root / name).unlink()
    if data is not None:
        (root / name).write_bytes(data)
    with pytest.raises(DataError, match=reason):
        run(spec(root, tmp_path / "out", channels=1))
    assert not (tmp_path / "out").exists()


def test_a_prepared_set_is_itself_a_source(shop: Path, tmp_path: Path) -> None:
    first = run(spec(shop, tmp_path / "one"))
    second = run(spec(tmp_path / "one", tmp_path / "two", channels=1))
    assert (second["train"], second["test"]) == (first["train"], first["test"])
    assert second["labels"] == ["hats", "shoes"]


def test_images_without_classes_make_a_set_without_labels(tmp_path: Path) -> None:
    source = folder(tmp_path / "raw", {"x": 20}) / "x"
    made = run(spec(source, tmp_path / "out"))
    data = open_dataset(made["uri"])
    assert data.labels == ()
    assert (data.read("train")[1] == 0).all()


def test_others_read_the_set(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    run(spec(shop, tmp_path / "out"))
    counted = duckdb.sql(
        f"select label, count(*) from '{tmp_path}/out/*/*.parquet' group by 1 order by 1"
    ).fetchall()
    assert counted == [(0, 40), (1, 60)]
    import datasets

    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert loaded["train"].features["label"].names == ["hats", "shoes"]
    assert loaded["train"][0]["image"].size == (16, 16)
    assert len(loaded["train"]) + len(loaded["test"]) == 100


def test_the_spec_reaches_the_marker(shop: Path, tmp_path: Path) -> None:
    chosen = spec(shop, tmp_path / "out", fit="pad")
    run(chosen)
    kept = json.loads((tmp_path / "out/dataset.json").read_bytes())["spec"]
    assert kept == PrepareImages.model_validate({**kept, "out": "x"}).model_dump(
        mode="json", exclude={"out", "placement"}
    )


def test_a_set_of_images_made_before_there_were_sounds_is_read_and_reused(
    shop: Path, tmp_path: Path
) -> None:
    run(spec(shop, tmp_path / "out"))
    before = open_dataset(str(tmp_path / "out")).read("train")
    marker = tmp_path / "out/dataset.json"
    made = json.loads(marker.read_bytes())
    del made["modality"], made["item"], made["spec"]["modality"]
    marker.write_text(json.dumps(made))
    old = open_dataset(str(tmp_path / "out"))
    assert (old.modality, old.item) == ("image", ItemType((16, 16, 3), "uint8"))
    assert all(np.array_equal(*pair) for pair in zip(old.read("train"), before, strict=True))
    assert run(spec(shop, tmp_path / "out"))["reused"]


def test_a_full_disk_is_one_line(shop: Path, tmp_path: Path) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9000, limit[1]))
    try:
        with pytest.raises(StorageError, match=r"chunk-000000.parquet: .*File too large"):
            run(spec(shop, tmp_path / "out"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert run(spec(shop, tmp_path / "out"))["train"] == 90
