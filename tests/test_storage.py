"""Every promise of `storage`, on a disk and on a real S3 server alike."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aigc import storage
from aigc.errors import StorageError


@pytest.fixture(params=["disk", pytest.param("s3", marks=pytest.mark.integration)])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "disk":
        return str(tmp_path / "root")
    bucket: str = request.getfixturevalue("s3_uri")
    return storage.join(bucket, uuid.uuid4().hex)


def test_bytes_come_back_and_are_replaced(root: str) -> None:
    uri = storage.join(root, "a", "b.bin")
    assert not storage.exists(uri)
    storage.write_bytes(uri, b"one")
    storage.write_bytes(uri, b"two")
    assert storage.exists(uri)
    assert storage.read_bytes(uri) == b"two"


def test_of_many_creators_one_wins_and_its_bytes_stay(root: str) -> None:
    uri = storage.join(root, "record.json")
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda i: storage.create(uri, f"by {i}".encode()), range(48)))
    assert sum(won) == 1
    assert storage.read_bytes(uri) == f"by {won.index(True)}".encode()
    assert storage.create(uri, storage.read_bytes(uri)), "asking again after a lost answer"


def test_listing_is_recursive_sorted_and_complete(root: str) -> None:
    keys = [f"d{i % 3}/f{i:04d}" for i in range(30)]
    for key in keys:
        storage.write_bytes(storage.join(root, key), key.encode())
    entries = list(storage.listing(root))
    assert [entry.key for entry in entries] == sorted(keys)
    assert all(storage.read_bytes(entry.uri) == entry.key.encode() for entry in entries)
    assert entries[0].size_bytes == len(entries[0].key)
    assert storage.folders(root) == ["d0", "d1", "d2"]


def test_nothing_there_lists_empty_and_reads_as_an_error(root: str) -> None:
    assert list(storage.listing(storage.join(root, "none"))) == []
    assert storage.folders(storage.join(root, "none")) == []
    with pytest.raises(StorageError, match="not found"):
        storage.read_bytes(storage.join(root, "none"))
    with pytest.raises(StorageError, match="not found"):
        storage.open_input(storage.join(root, "none"))


def test_delete_is_for_good_and_may_be_repeated(root: str) -> None:
    for name in ("x", "y/z"):
        storage.write_bytes(storage.join(root, name), b"1")
    storage.delete(storage.join(root, "x"))
    storage.delete(storage.join(root, "x"))
    assert [entry.key for entry in storage.listing(root)] == ["y/z"]
    storage.delete_tree(root)
    storage.delete_tree(root)
    assert list(storage.listing(root)) == []


def test_a_large_file_is_moved_whole(root: str) -> None:
    uri = storage.join(root, "big.bin")
    data = bytes(range(256)) * 80_000
    local = storage.scratch(uri)
    local.write_bytes(data)
    storage.upload(local, uri)
    assert not local.exists()
    with storage.open_input(uri) as source:
        source.seek(1_000_000)
        assert source.read(256) == data[1_000_000:1_000_256]
        assert source.size() == len(data)
    assert storage.remove_unfinished(root, 0) == 0


def test_a_writable_place_is_left_as_it_was(root: str) -> None:
    storage.require_writable(root)
    assert list(storage.listing(root)) == []


def test_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="is a file; choose a folder"):
        storage.require_writable(str(tmp_path / "file" / "below"))


def test_a_read_only_place_is_refused() -> None:
    with pytest.raises(StorageError, match=r"/proc/.*: "):
        storage.require_writable("/proc/none")


def test_an_s3_uri_without_a_bucket_is_refused() -> None:
    with pytest.raises(StorageError, match="expected s3://BUCKET/PREFIX"):
        storage.require_writable("s3://")


@pytest.mark.integration
def test_an_unreachable_s3_says_where_it_looked(s3_uri: str, monkeypatch) -> None:
    from aigc import _s3

    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AIGC_S3_PATIENCE_S", "1")
    _s3.client.cache_clear()
    with pytest.raises(StorageError, match=r"S3 at http://127.0.0.1:9 does not answer"):
        storage.read_bytes("s3://bucket/key")


@pytest.mark.integration
def test_missing_credentials_say_what_to_set(s3_uri: str, monkeypatch) -> None:
    from aigc import _s3

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/none")
    _s3.client.cache_clear()
    with pytest.raises(StorageError, match="set AWS_ACCESS_KEY_ID"):
        storage.read_bytes("s3://bucket/key")
