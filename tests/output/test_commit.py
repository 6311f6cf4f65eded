from __future__ import annotations

import dataclasses
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aigc import storage
from aigc.errors import JobError, SpecError
from aigc.output import commit
from aigc.sets import manifest, read, shard_list
from aigc.sets.verify import verify
from aigc.storage import _local
from aigc.types import ShardRecord

CASES = [(32, None), (32, [3, 1, 0, 2]), (8, None), (104, [0])]
"""Items a shard, and the order in which the shards are made."""


def record(shard: int = 0, attempt: str = "a") -> ShardRecord:
    return ShardRecord(
        shard=shard,
        start=0,
        stop=8,
        file=f"data/part-00000-{attempt}.parquet",
        size_bytes=1,
        sha256="0",
        content="0",
        attempt=attempt,
    )


def test_of_racing_commits_one_wins_and_all_read_the_winner(tmp_path: Path) -> None:
    out = str(tmp_path)
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda i: commit.commit(out, record(attempt=str(i))), range(32)))
    assert sum(won) == 1
    assert commit.read_record(out, 0).attempt == str(won.index(True))


def test_the_same_attempt_may_ask_twice(tmp_path: Path) -> None:
    assert commit.commit(str(tmp_path), record())
    assert commit.commit(str(tmp_path), record())
    assert not commit.commit(str(tmp_path), record(attempt="b"))


def test_records_survive_their_file() -> None:
    first = dataclasses.replace(record(), labels={"bag": 3})
    assert ShardRecord.from_json(first.to_json()) == first


def test_another_job_at_the_same_place_is_refused_with_the_difference(sets, tmp_path) -> None:
    out = str(tmp_path / "set")
    sets.start(out)
    assert sets.start(out).seed == 7
    with pytest.raises(SpecError, match=r"seed: 7 there, 8 asked.*choose another out"):
        sets.start(out, seed=8)
    with pytest.raises(SpecError, match="codec: png there, jpeg asked"):
        sets.start(out, codec="jpeg")


def test_a_folder_with_other_files_is_refused_and_left_alone(sets, tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(SpecError, match=r"not empty \(holiday.jpg\)"):
        sets.start(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_job_with_a_missing_shard_is_not_finished(sets, tmp_path: Path) -> None:
    out = str(tmp_path / "set")
    job = sets.start(out)
    sets.shards(out, job, [0, 1, 3])
    with pytest.raises(JobError, match="shard 2 is missing"):
        manifest.finish(out, job)
    assert commit.read_manifest(out) is None
    assert manifest.status(out)["items"] == 68
    with pytest.raises(JobError, match="not finished"):
        verify(out)


def test_a_second_attempt_leaves_no_orphan_and_changes_nothing(sets, tmp_path: Path) -> None:
    out = str(tmp_path / "set")
    job = sets.start(out)
    sets.shards(out, job, [0, 0, 1, 2, 3, 1])
    assert len(list((tmp_path / "set" / "data").iterdir())) == 4
    (tmp_path / "set" / "data" / "part-00002-dead.parquet").write_bytes(b"cut off")
    assert manifest.finish(out, job)["orphans_removed"] == 1
    assert verify(out)["items"] == 100


def test_a_failing_shard_leaves_neither_record_nor_file(sets, tmp_path, monkeypatch) -> None:
    out = str(tmp_path / "set")
    job = sets.start(out)

    def stop(count: int) -> None:
        raise RuntimeError("power cut")

    from aigc.execution.shard_work import make_item_generator
    from aigc.generation.pipeline import MakeShard

    item_generator = make_item_generator(job, sets.config, sets.tensors, None)
    with pytest.raises(RuntimeError, match="power cut"):
        MakeShard(job.shard(0))(item_generator, out, stop)
    closing = MakeShard(job.shard(0))(item_generator, out, lambda count: None)
    monkeypatch.setattr(storage, "upload", lambda source, uri, on_bytes: stop(0))
    with pytest.raises(RuntimeError, match="power cut"):
        closing.close(lambda count: None)
    assert commit.read_records(out) == {}
    assert not list((tmp_path / "set").rglob("*.parquet"))
    assert not list((tmp_path / "set").rglob(".aigc-tmp-*"))


def test_the_digest_does_not_depend_on_shard_size_or_order(sets, tmp_path: Path) -> None:
    digests = set()
    for number, (items, order) in enumerate(
        [(32, None), (32, [3, 1, 0, 2]), (8, None), (104, [0])]
    ):
        out = str(tmp_path / str(number))
        sets.finished(out, order, shard_items=items)
        digests.add(verify(out)["content_digest"])
    assert len(digests) == 1
    sets.finished(str(tmp_path / "other"), seed=8)
    assert verify(str(tmp_path / "other"))["content_digest"] not in digests


def test_encoding_beside_rendering_gives_the_same_file(sets, tmp_path: Path) -> None:
    digests = []
    for encoders in (1, 3):
        out = str(tmp_path / str(encoders))
        job = sets.start(out, micro_batch=4, shard_items=100)
        sets.shards(out, job, [0], encoders)
        digests.append(commit.read_record(out, 0).sha256)
    assert digests[0] == digests[1]


def test_items_are_read_back_by_index(sets, tmp_path: Path) -> None:
    out = str(tmp_path / "set")
    job = sets.finished(out)
    records = commit.read_records(out)
    found = read.items(out, job, records, [99, 0, 33])
    assert sorted(found) == [0, 33, 99]
    assert all(data.startswith(b"\x89PNG") for data in found.values())
    with pytest.raises(SpecError, match="items 0 to 99"):
        read.items(out, job, records, [100])


def test_a_local_listing_passes_over_unfinished_files(tmp_path: Path) -> None:
    (tmp_path / ".aigc-tmp-1").write_bytes(b"x")
    (tmp_path / "a").write_bytes(b"x")
    assert [entry.key for entry in storage.listing(str(tmp_path))] == ["a"]
    assert commit.remove_unfinished(str(tmp_path), 3600) == 0
    assert commit.remove_unfinished(str(tmp_path)) == 1


def test_what_comes_late_to_a_finished_set_is_tidied_away(sets, tmp_path: Path) -> None:
    out = str(tmp_path / "set")
    job = sets.finished(out)
    data = tmp_path / "set" / "data"
    (data / "part-00002-late.parquet").write_bytes(b"x")
    (data / ".aigc-tmp-late").write_bytes(b"x")
    assert manifest.tidy(out, job) == 2
    assert len(list(data.iterdir())) == job.shards
    assert verify(out)["items"] == 100


def test_what_died_long_ago_is_removed_when_the_job_goes_on(sets, tmp_path: Path) -> None:
    out = str(tmp_path / "set")
    sets.start(out)
    data = tmp_path / "set" / "data"
    data.mkdir()
    for name, age_s in (("old", 3600), ("young", 0)):
        path = data / f".aigc-tmp-{name}"
        path.write_bytes(b"x")
        os.utime(path, (time.time() - age_s,) * 2)
    sets.start(out)
    assert [path.name for path in data.iterdir()] == [".aigc-tmp-young"]


def test_a_manifest_of_many_shards_is_split(sets, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(shard_list, "INLINE", 3)
    monkeypatch.setattr(shard_list, "_LINES", 3)
    folder = tmp_path / "set"
    folder.mkdir()
    job = sets.start(str(folder))
    sets.shards(str(folder), job, range(job.shards))
    (folder / "manifest-shards-00007-old.jsonl").write_bytes(b"x")
    made = manifest.finish(str(folder), job)
    assert "shards" not in made
    assert [part["shards"] for part in made["shard_files"]] == [3, 1]
    assert not (folder / "manifest-shards-00007-old.jsonl").exists()
    assert shard_list.count(made) == 4
    assert list(shard_list.read(str(folder), made)) == list(
        commit.read_records(str(folder)).values()
    )
    assert verify(str(folder))["items"] == 100
    (folder / made["shard_files"][1]["file"]).write_bytes(b"{}")
    with pytest.raises(JobError, match="differs from the manifest's"):
        verify(str(folder))


def test_only_a_set_that_can_grow_is_finished_by_append(sets, tmp_path: Path) -> None:
    plain, whole = str(tmp_path / "plain"), str(tmp_path / "whole")
    sets.start(plain)
    assert commit.grow(plain, 100).count == 100
    job = sets.start(whole)
    sets.shards(whole, job, [0, 1])
    briefs = job.model_copy(update={"briefs_digest": "0" * 64})
    storage.write_bytes(commit.job_uri(whole), briefs.to_json())
    with pytest.raises(
        SpecError, match="not finished; finish it with the `aigc generate` command that"
    ):
        commit.grow(whole, 100)
    storage.write_bytes(commit.manifest_uri(whole), b"{}")
    assert commit.grow(whole, 100) == briefs


@pytest.mark.parametrize("packed", [False, True])
def test_growing_may_be_given_up(sets, tmp_path: Path, packed: bool) -> None:
    out = str(tmp_path)
    sets.finished(out)
    before = verify(out)["content_digest"]
    larger = commit.grow(out, 500)
    sets.shards(out, larger, [4, 5, 9])
    if packed:
        assert commit.compact(out, 1) == 7
        sets.shards(out, larger, [7])
    with pytest.raises(
        SpecError, match=r"an append to 500 items is unfinished, 50 requested.* 100 to give that up"
    ):
        commit.grow(out, 50)
    job = commit.grow(out, 100)
    assert (job.count, sorted(commit.read_records(out))) == (100, [0, 1, 2, 3])
    manifest.finish(out, job)
    assert verify(out)["content_digest"] == before
    assert commit.grow(out, 120).shards == 5


def test_a_finished_set_that_lost_a_record_says_what_helps(sets, tmp_path: Path) -> None:
    out = str(tmp_path)
    job = sets.finished(out)
    (tmp_path / "_records" / "00002.json").unlink()
    assert not manifest.status(out)["complete"]
    with pytest.raises(JobError, match=r"shard 2 is missing; delete manifest.json and run the"):
        manifest.tidy(out, job)
    with pytest.raises(SpecError, match=r"not finished; delete manifest.json and run the same"):
        commit.grow(out, 200)
    (tmp_path / "manifest.json").unlink()
    sets.shards(out, job, [2])
    manifest.finish(out, job)
    assert verify(out)["items"] == 100


def test_pictures_are_on_the_disk_before_their_record(sets, tmp_path: Path, monkeypatch) -> None:
    out, before = tmp_path / "set", []
    job = sets.start(str(out), writer="files")

    def noted(folder: Path) -> None:
        before.append((len(list(out.rglob("*.png"))), len(list(out.glob("_records/*")))))
        sync_disk(folder)

    sync_disk = _local.sync_disk
    monkeypatch.setattr(_local, "sync_disk", noted)
    sets.shards(str(out), job, [0, 1])
    assert before == [(32, 0), (64, 1)]
