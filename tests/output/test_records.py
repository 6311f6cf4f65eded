"""Records: one winner a shard, loose or packed, while others pack, write and die."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aigc import storage
from aigc.errors import StorageError
from aigc.output import records
from aigc.storage import _s3, _s3_client, _s3_create
from aigc.types import ShardRecord


@pytest.fixture(params=["disk", "bids", pytest.param("s3", marks=pytest.mark.integration)])
def out(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """`bids` is a place that is taken for a store without conditional PUT."""
    if request.param == "bids":
        monkeypatch.setattr(storage, "can_create", lambda uri: False)
    if request.param == "s3":
        return storage.join(request.getfixturevalue("s3_uri"), uuid.uuid4().hex)
    return str(tmp_path / "set")


def record(shard: int = 0, attempt: str = "a") -> ShardRecord:
    return ShardRecord(
        shard=shard,
        start=8 * shard,
        stop=8 * shard + 8,
        file=f"data/part-{shard:05d}-{attempt}.parquet",
        size_bytes=1,
        sha256=f"{shard:064x}",
        content=f"{shard:064x}",
        labels={"bag": 5, "dress": 3},
        attempt=attempt,
        host="here",
    )


def loose(out: str) -> list[str]:
    return sorted(storage.names(storage.join(out, "_records")))


def test_attempts_one_after_the_other_leave_one_record(out: str) -> None:
    assert records.commit(out, record(attempt="b"))
    assert records.commit(out, record(attempt="b")), "asked again after a lost answer"
    assert not records.commit(out, record(attempt="c"))
    assert len(loose(out)) == 1
    assert records.read_records(out) == {0: record(attempt="b")}


def test_racing_attempts_agree_on_one(out: str) -> None:
    def attempt(number: int) -> str:
        name = f"{number:02d}"
        records.commit(out, record(attempt=name))
        return records.read_record(out, 0).attempt

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(attempt, range(24)))
    settled = records.settle(out)[0]
    assert records.read_record(out, 0) == settled == records.read_records(out)[0]
    assert not records.commit(out, record(attempt="zz"))
    assert len(loose(out)) <= 1


def test_packed_records_are_the_same_records(out: str) -> None:
    for shard in range(5):
        records.commit(out, record(shard))
    before = records.read_records(out)
    assert records.compact(out, at_least=6) == 0
    assert records.compact(out, at_least=5) == 5
    assert loose(out) == []
    records.commit(out, record(7))
    assert records.read_records(out) == before | {7: record(7)}
    assert records.read_record(out, 3) == record(3)
    with pytest.raises(StorageError, match="no record of shard 6"):
        records.read_record(out, 6)


def test_an_attempt_that_comes_after_packing_loses_and_leaves(out: str) -> None:
    records.commit(out, record(attempt="m"))
    records.compact(out, at_least=1)
    for late in ("a", "z"):
        assert not records.commit(out, record(attempt=late))
    assert loose(out) == []
    assert records.read_records(out) == {0: record(attempt="m")}


def test_a_late_record_whose_writer_died_is_packed_out(out: str) -> None:
    records.commit(out, record(attempt="m"))
    records.compact(out, at_least=1)
    zombie = storage.join(out, "_records", "00000.json")
    storage.write_bytes(zombie, record(attempt="zombie").to_json())
    assert records.read_record(out, 0).attempt == "m"
    assert records.compact(out, at_least=1) == 0
    assert loose(out) == []
    assert records.read_records(out) == {0: record(attempt="m")}


def test_a_bid_waits_for_none_but_gives_way_to_a_lesser_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(storage, "can_create", lambda uri: False)
    out = str(tmp_path)
    assert records.commit(out, record(attempt="m"))
    assert records.commit(out, record(attempt="a"))
    assert loose(out) == ["00000.a.json", "00000.m.json"]
    assert records.read_records(out)[0].attempt == "a"
    assert not records.commit(out, record(attempt="k"))
    assert records.settle(out)[0].attempt == "a"
    assert loose(out) == []


def test_no_record_is_missed_while_others_are_packed(tmp_path: Path) -> None:
    out, count, done = str(tmp_path), 400, threading.Event()

    def write() -> None:
        for shard in range(count):
            records.commit(out, record(shard))
        done.set()

    def pack() -> None:
        while not done.is_set():
            records.compact(out, at_least=10)

    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(write), pool.submit(pack), pool.submit(pack)]
        seen = 0
        while not done.is_set():
            found = records.read_records(out)
            assert len(found) >= seen
            assert list(found) == list(range(len(found))), "shards are committed in order"
            seen = len(found)
        for job in jobs:
            job.result()
    assert records.read_records(out) == {shard: record(shard) for shard in range(count)}


def test_a_record_of_another_version_is_read() -> None:
    old = b'{"shard":1,"start":0,"stop":8,"file":"f","size_bytes":1,"sha256":"0","content":"0"}'
    assert ShardRecord.from_json(old).refused == {}
    assert ShardRecord.from_json(old[:-1] + b',"new":1}').shard == 1


@pytest.mark.integration
def test_a_store_is_asked_whether_it_can_create(s3_uri: str) -> None:
    assert storage.can_create(s3_uri)
    assert records.store_note(s3_uri) is None
    assert list(storage.listing(s3_uri)) == []
    bucket = _s3.split(s3_uri)[0]
    assert (_s3_client.client().meta.endpoint_url, bucket) in _s3_create._found


def test_what_is_no_record_is_passed_over_and_left_alone(out: str) -> None:
    stray = [".DS_Store", "._00001.json", "notes.txt", "packed/.DS_Store", "packed/._0-1-a.jsonl"]
    for name in stray:
        storage.write_bytes(storage.join(out, "_records", name), b"x")
    assert all(records.commit(out, record(shard)) for shard in range(3))
    assert list(records.read_records(out)) == [0, 1, 2]
    assert records.compact(out, 3) == 3
    assert list(records.read_records(out)) == [0, 1, 2]
    assert records.read_record(out, 1) == record(1)
    left = {entry.key for entry in storage.listing(storage.join(out, "_records"))}
    assert left >= set(stray)
