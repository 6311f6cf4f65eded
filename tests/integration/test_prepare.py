"""`prepare` over real Ray workers and a real S3 server."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from aigc import storage
from aigc.data.dataset import open_dataset
from aigc.data.loader import Loader
from aigc.distributed.prepare import OnRay, run
from aigc.distributed.session import Workers
from aigc.errors import DataError, JobError, PlacementError, SpecError, StorageError
from aigc.specs import Placement
from tests.data.pictures import folder, spec
from tests.front_door.folders import pictures, rows, tarred, zipped
from tests.modalities.audio import sounds

pytestmark = pytest.mark.integration

ON_RAY = Placement(workers=2, timeout_s=120, startup_timeout_s=10)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    made = folder(tmp_path / "shop", {"hats": 20, "shoes": 30})
    (made / "shoes/0005.png").write_bytes(b"")
    (made / "shoes/copy.png").write_bytes((made / "hats/0000.png").read_bytes())
    return made


def upload(root: Path, uri: str) -> None:
    for path in root.rglob("*.png"):
        storage.write_bytes(storage.join(uri, path.relative_to(root).as_posix()), path.read_bytes())


def test_workers_make_the_same_set_as_one_process(
    ray_session: None, shop: Path, tmp_path: Path
) -> None:
    alone = run(spec(shop, tmp_path / "one", size=128))
    spread = run(spec(shop, tmp_path / "two", size=128, placement=ON_RAY))
    for key in ("digest", "train", "test", "rejects", "duplicates"):
        assert alone[key] == spread[key]
    for name in ("train/part-00000.parquet", "rejects.parquet", "duplicates.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_workers_make_the_same_set_of_sounds_as_one_process(
    ray_session: None, tmp_path: Path
) -> None:
    raw = sounds.folder(tmp_path / "raw", {"kick": 30, "snare": 30}, "flac")
    (raw / "kick/again.flac").write_bytes((raw / "snare/0000.flac").read_bytes())
    (raw / "kick/cut.flac").write_bytes((raw / "kick/0000.flac").read_bytes()[:500])
    fields = {"seconds": 20.0, "rate": 48_000}  # chunks of 32 sounds
    alone = run(sounds.spec(raw, tmp_path / "one", **fields))
    spread = run(sounds.spec(raw, tmp_path / "two", **fields, placement=ON_RAY))
    assert (alone["rejects"], alone["duplicates"]["exact"]) == (1, 1)
    for key in ("digest", "train", "test", "rejects", "duplicates"):
        assert alone[key] == spread[key]
    for name in ("train/part-00000.parquet", "rejects.parquet", "duplicates.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_an_error_in_a_worker_is_still_one_line(
    ray_session: None, shop: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="1 of 51 inputs rejected"):
        run(spec(shop, tmp_path / "out", max_rejects=0, placement=ON_RAY))
    assert not (tmp_path / "out").exists()


def test_a_worker_no_node_can_hold_is_refused_at_once(
    ray_session: None, shop: Path, tmp_path: Path
) -> None:
    wanted = Placement(workers=1, cpus_per_worker=64)
    with pytest.raises(PlacementError, match="no node has capacity for a worker with 64 CPU"):
        run(spec(shop, tmp_path / "out", placement=wanted))
    assert not (tmp_path / "out").exists()


def dies_once(flag: str) -> str:
    if not Path(flag).exists():
        Path(flag).touch()
        os._exit(1)
    return flag


def hangs_once(flag: str) -> str:
    if not Path(flag).exists():
        Path(flag).touch()
        time.sleep(600)
    return flag


def always_dies(flag: str) -> str:
    os._exit(1)


def on_ray(function: Callable[[Any], Any], tasks: Sequence[Any], **placement: Any) -> list[Any]:
    limits = {"startup_timeout_s": 0, "max_retries": 1, **placement}
    return list(OnRay(Placement(**limits), Workers(2, 1, 0))(function, tasks))


@pytest.mark.parametrize("function", [dies_once, hangs_once])
def test_a_worker_that_dies_or_hangs_is_replaced(
    ray_session: None, tmp_path: Path, function: Callable[[str], str]
) -> None:
    flags = [str(tmp_path / name) for name in "abc"]
    Path(flags[1]).touch()
    Path(flags[2]).touch()
    if function is hangs_once:  # Ray's workers are there, so the limit is not for their start
        assert sorted(on_ray(hangs_once, flags[1:], timeout_s=120.0)) == flags[1:]
    limit_s = 6.0 if function is hangs_once else 120.0
    assert sorted(on_ray(function, flags, timeout_s=limit_s)) == flags


def test_work_that_never_succeeds_stops_the_job(ray_session: None, tmp_path: Path) -> None:
    with pytest.raises(JobError, match="chunk 0 failed 2 times"):
        on_ray(always_dies, [str(tmp_path)], timeout_s=120.0)


def test_content_in_a_bucket_decides_about_reuse(s3_uri: str, shop: Path, tmp_path: Path) -> None:
    source = storage.join(s3_uri, "raw")
    upload(shop, source)
    chosen = spec(source, tmp_path / "out")
    run(chosen)
    upload(shop, source)
    assert run(chosen)["reused"]
    before = (shop / "hats/0000.png").read_bytes()
    storage.write_bytes(storage.join(source, "hats/0000.png"), bytes(len(before)))
    with pytest.raises(SpecError, match=r"has changed since .*other content"):
        run(chosen)


def test_from_s3_to_s3_is_the_same_as_on_disk(
    ray_session: None, s3_uri: str, shop: Path, tmp_path: Path
) -> None:
    here = run(spec(shop, tmp_path / "out"))
    upload(shop, storage.join(s3_uri, "raw"))
    source, out = storage.join(s3_uri, "raw"), storage.join(s3_uri, "data/set")
    there = run(spec(source, out, placement=ON_RAY))
    assert there["digest"] == here["digest"]
    assert run(spec(source, out))["reused"]
    keys = {entry.key for entry in storage.listing(out)}
    assert "dataset.json" in keys
    assert not any(key.startswith("_work") for key in keys)
    data = open_dataset(out)
    local = open_dataset(str(tmp_path / "out"))
    assert (data.read("train")[0] == local.read("train")[0]).all()
    streamed = Loader(data, "train", 8, seed=0, memory_bytes=1)
    assert next(streamed.batches(0))[0].shape == (8, 16, 16, 3)
    filesystem, path = pafs.FileSystem.from_uri(storage.join(out, "train"))
    assert isinstance(filesystem, pafs.S3FileSystem)
    assert pq.read_table(path, filesystem=filesystem).num_rows == there["train"]


def test_s3_sources_and_places_that_are_not_there_are_one_line(
    s3_uri: str, shop: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="not found"):
        run(spec(storage.join(s3_uri, "nothing"), tmp_path / "out"))
    with pytest.raises(StorageError, match="there is no bucket 'no-such-bucket'"):
        run(spec(shop, "s3://no-such-bucket/data"))
    assert not (tmp_path / "out").exists()


def test_nothing_stays_in_the_bucket_after_too_many_rejects(s3_uri: str, shop: Path) -> None:
    out = storage.join(s3_uri, "data")
    with pytest.raises(DataError, match="1 of 51 inputs rejected"):
        run(spec(shop, out, max_rejects=0))
    assert list(storage.listing(out)) == []


@pytest.mark.parametrize("name", ["shop.zip", "shop.tar", "shop.parquet", "shop"])
def test_one_object_or_a_prefix_with_junk_is_a_source(
    s3_uri: str, tmp_path: Path, name: str
) -> None:
    tree = pictures("a/1.png b/2.png")
    contents = {"shop.zip": zipped(tree), "shop.tar": tarred(tree), "shop.parquet": rows(2)}
    for key, data in contents.items():
        storage.write_bytes(storage.join(s3_uri, key), data)
    for key, picture in (tree | {"@eaDir/a": b"x", ".DS_Store": b"x"}).items():
        storage.write_bytes(storage.join(s3_uri, "shop", key), picture)  # type: ignore[arg-type]
    made = run(spec(storage.join(s3_uri, name), tmp_path / "out", test_fraction=0))
    assert (made["train"], made["labels"], made["rejects"]) == (2, ["a", "b"], 0)
    assert sum(made["ignored"].values()) == (2 if name == "shop" else 0)
