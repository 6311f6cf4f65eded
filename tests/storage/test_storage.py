"""Every promise of `storage`, on a disk and on a real S3 server alike."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from aigc import storage
from aigc.errors import DamagedError, DiskFullError, StorageError
from aigc.output import commit
from aigc.storage import _local, _s3_client


@pytest.fixture(params=["disk", pytest.param("s3", marks=pytest.mark.integration)])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "disk":
        return str(tmp_path / "root")
    bucket: str = request.getfixturevalue("s3_uri")
    return storage.join(bucket, uuid.uuid4().hex)


@pytest.mark.parametrize(
    "uri",
    ["gs://b/x", "S3://b/x", "s3://", "s3:///x", "s3:/x", "file://x", "", " ", "~nosuch/x", "a\0"],
)
def test_what_is_no_place_is_refused_and_makes_no_folder(uri: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for use in (storage.absolute, storage.require_writable, storage.read_if_there):
        with pytest.raises(StorageError, match=r"expected|unknown user") as raised:
            use(uri)
        assert str(raised.value).startswith(repr(uri))
    if uri.strip():
        with pytest.raises(StorageError):
            storage.write_bytes(storage.join(uri, "x"), b"x")
    assert not list(tmp_path.iterdir())


def test_a_place_means_the_same_everywhere(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    for uri, whole in {
        "s3://b/x/": "s3://b/x",
        "s3://b": "s3://b",
        "file:///x/y": "/x/y",
        "~/x": "/home/me/x",
        "x:y/z": f"{tmp_path}/x:y/z",
        "./gs:/x": f"{tmp_path}/gs:/x",
    }.items():
        assert storage.absolute(uri) == whole


def test_bytes_come_back_and_are_replaced(root: str) -> None:
    uri = storage.join(root, "a", "b.bin")
    assert not storage.exists(uri)
    assert storage.read_if_there(uri) is None
    storage.write_bytes(uri, b"one")
    assert storage.read_if_there(uri) == b"one"
    storage.write_bytes(uri, b"two")
    assert storage.exists(uri)
    assert storage.read_bytes(uri) == b"two"


@pytest.mark.parametrize("wrong", [b"", b'{"a": 1', b"[1]", b"\xff{}"])
def test_json_is_an_object_or_nothing_or_damaged(root: str, wrong: bytes) -> None:
    uri = storage.join(root, "report.json")
    assert storage.read_json(uri) is None
    storage.write_bytes(uri, b'{"a": 1}')
    assert storage.read_json(uri) == {"a": 1}
    storage.write_bytes(uri, wrong)
    with pytest.raises(DamagedError, match=r"report\.json: damaged"):
        storage.read_json(uri)


def test_of_many_creators_one_wins_and_its_bytes_stay(root: str) -> None:
    uri = storage.join(root, "record.json")
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda i: storage.create(uri, f"by {i}".encode()), range(48)))
    assert sum(won) == 1
    assert storage.read_bytes(uri) == f"by {won.index(True)}".encode()
    assert storage.create(uri, storage.read_bytes(uri)), "asking again after a lost answer"


def test_without_hard_links_one_creator_wins_all_the_same(tmp_path: Path, monkeypatch) -> None:
    def link(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted", str(source))

    monkeypatch.setattr(os, "link", link)
    test_of_many_creators_one_wins_and_its_bytes_stay(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


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
    sent: list[int] = []
    storage.upload(local, uri, sent.append)
    assert sum(sent) >= len(data) if storage.is_s3(root) else not sent
    assert not local.exists()
    with storage.open_input(uri) as source:
        source.seek(1_000_000)
        assert source.read(256) == data[1_000_000:1_000_256]
        assert source.size() == len(data)
    assert storage.remove_unfinished(root, 0, ["big.bin"]) == 0


def test_a_writable_place_is_left_as_it_was(root: str) -> None:
    storage.require_writable(root)
    assert list(storage.listing(root)) == []


@pytest.mark.integration
def test_a_bucket_that_is_not_there_is_named(s3_uri: str) -> None:
    for ask in (storage.require_writable, storage.read_if_there):
        with pytest.raises(StorageError, match="there is no bucket 'missing-aigc'"):
            ask("s3://missing-aigc/set")


def test_a_file_in_the_way_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert storage.read_if_there(str(tmp_path / "file" / "below")) is None
    with pytest.raises(StorageError, match="Is a directory"):
        storage.read_if_there(str(tmp_path))


def test_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="is a file; choose a folder"):
        storage.require_writable(str(tmp_path / "file" / "below"))


def test_a_read_only_place_is_refused() -> None:
    with pytest.raises(StorageError, match=r"/proc/.*: "):
        storage.require_writable("/proc/none")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_unreadable_folder_is_one_line(tmp_path: Path) -> None:
    place = tmp_path / "mine" / "set"
    place.mkdir(parents=True)
    place.parent.chmod(0o700)
    asks = (storage.exists, storage.require_writable, storage.read_bytes, storage.names)
    walks = (
        lambda uri: list(storage.listing(uri)),
        lambda uri: storage.remove_unfinished(uri, 0, ["a"]),
    )
    os.seteuid(65534)
    try:
        for ask in (*asks, *walks):
            with pytest.raises(StorageError, match="permission denied"):
                ask(str(place))
    finally:
        os.seteuid(0)


def test_a_name_too_long_is_one_line(tmp_path: Path) -> None:
    for ask in (storage.exists, storage.require_writable):
        with pytest.raises(StorageError, match="File name too long"):
            ask(str(tmp_path / ("x" * 300)))


def test_what_is_no_name_of_a_bucket_is_said(monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    _s3_client.client.cache_clear()
    with pytest.raises(StorageError, match="'Bad_Bucket!' is not a bucket name"):
        storage.exists("s3://Bad_Bucket!/x")
    _s3_client.client.cache_clear()


def test_an_s3_uri_without_a_bucket_is_refused() -> None:
    with pytest.raises(StorageError, match="expected s3://BUCKET/PREFIX"):
        storage.require_writable("s3://")


@pytest.mark.integration
def test_an_unreachable_s3_says_where_it_looked(s3_uri: str, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AIGC_S3_PATIENCE_S", "1")
    _s3_client.client.cache_clear()
    with pytest.raises(StorageError, match=r"S3 at http://127.0.0.1:9 does not answer"):
        storage.read_bytes("s3://bucket/key")


@pytest.mark.integration
def test_missing_credentials_say_what_to_set(s3_uri: str, monkeypatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/none")
    _s3_client.client.cache_clear()
    with pytest.raises(StorageError, match="set AWS_ACCESS_KEY_ID"):
        storage.read_bytes("s3://bucket/key")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AWS_ENDPOINT_URL_S3", "localhost:8333", "localhost:8333"),
        ("AWS_PROFILE", "nobody", "nobody"),
        ("AWS_DEFAULT_REGION", "eu west", "eu west"),
    ],
)
def test_settings_that_cannot_be_right_are_one_line(
    name: str, value: str, said: str, monkeypatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv(name, value)
    _s3_client.client.cache_clear()
    with pytest.raises(StorageError, match=rf"^S3: .*{said}.*check AWS_ENDPOINT_URL_S3"):
        storage.exists("s3://bucket/key")
    _s3_client.client.cache_clear()


@pytest.mark.parametrize("given", ["abc", "0", "-1", "inf", "nan"])
@pytest.mark.parametrize("name", ["AIGC_S3_TIMEOUT_S", "AIGC_S3_PATIENCE_S"])
def test_a_patience_that_is_no_time_is_one_line(name: str, given: str, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv(name, given)
    _s3_client.client.cache_clear()
    with pytest.raises(StorageError, match=f"^{name}={given}: expected a number of seconds"):
        storage.exists("s3://bucket/key")
    _s3_client.client.cache_clear()


@pytest.mark.integration
def test_objects_that_stand_for_folders_are_not_listed(s3_uri: str) -> None:
    """Consoles make them."""
    storage.write_bytes(f"{s3_uri}/set/data/a", b"a")
    for marker in ("set/", "set/data/", "set/none/"):
        _s3_client.client().put_object(Bucket=s3_uri.removeprefix("s3://"), Key=marker, Body=b"")
    assert [entry.key for entry in storage.listing(f"{s3_uri}/set")] == ["data/a"]


def test_names_are_those_of_one_folder(root: str) -> None:
    for key in ("00001.json", "00002.json", "packed/00003.json"):
        storage.write_bytes(storage.join(root, key), b"x")
    assert sorted(storage.names(root)) == ["00001.json", "00002.json"]
    assert storage.names(root, "00002.") == ["00002.json"]
    assert storage.names(storage.join(root, "none")) == []


def test_a_copy_holds_the_same_bytes(root: str, tmp_path: Path) -> None:
    storage.write_bytes(storage.join(root, "a"), b"bytes")
    storage.copy(storage.join(root, "a"), storage.join(root, "b/c"))
    storage.copy(storage.join(root, "b/c"), str(tmp_path / "d"))
    assert (tmp_path / "d").read_bytes() == b"bytes"


def test_scratch_files_of_the_dead_are_swept_and_others_kept(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    _local._scratch_folder.cache_clear()
    code = "import sys, time; from aigc import storage\n"
    code += "storage.scratch('s3://b/k').write_text('x'); print('ready', flush=True)\n"
    code += "time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    mine = storage.scratch("s3://b/k")
    mine.write_text("x")
    assert len(list(tmp_path.rglob(".aigc-tmp-*"))) == 2
    process.kill()
    process.communicate()
    assert _local.sweep_scratch() == 1
    assert list(tmp_path.rglob(".aigc-tmp-*")) == [mine]
    _local._scratch_folder.cache_clear()


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """A limit on the size of files stands for it: Linux says EFBIG where a disk says ENOSPC."""
    target = str(tmp_path / "set" / "part.parquet")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(DiskFullError, match="the disk is full; free some space"):
            storage.write_bytes(target, bytes(2000))
        with (
            pytest.raises(DiskFullError, match="the disk is full; free some space"),
            storage.scratch_file(target) as local,
            local.open("wb", buffering=0) as file,
        ):
            file.write(bytes(1000))
            file.write(bytes(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.rglob("*")] == ["set"]


def test_what_is_committed_is_on_the_disk_with_its_folders(tmp_path: Path, monkeypatch) -> None:
    synced: list[str] = []

    def noted(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append(str(path.relative_to(tmp_path)))
        fsync(descriptor)

    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", noted)
    writes = {
        "created": lambda uri: storage.create(uri, b"x"),
        "written": lambda uri: storage.write_bytes(uri, b"x"),
        "copied": lambda uri: storage.copy(str(tmp_path / "created" / "new" / "file"), uri),
    }
    for name, write in writes.items():
        synced.clear()
        write(str(tmp_path / name / "new" / "file"))
        file = synced.pop(2)
        assert Path(file).name.startswith(".aigc-tmp-")
        assert synced == [".", name, f"{name}/new"]


@pytest.mark.integration
def test_whether_a_body_is_wanted_is_asked_only_of_large_ones(s3_uri: str, tmp_path: Path) -> None:
    asked: dict[str, bool] = {}

    def note(request: Any, **_: object) -> None:
        if request.method == "PUT":
            asked[request.url.rpartition("/")[2]] = "Expect" in request.headers

    _s3_client.client().meta.events.register("before-send.s3", note)
    for name, size in (("none", 0), ("small", 2**20), ("large", 2**20 + 1)):
        source = tmp_path / name
        source.write_bytes(bytes(size))
        storage.upload(source, f"{s3_uri}/{name}")
        assert storage.read_bytes(f"{s3_uri}/{name}") == bytes(size)
    storage.write_bytes(f"{s3_uri}/written", b"record")
    assert storage.create(f"{s3_uri}/created", b"record")
    assert asked.pop("large")
    assert {"none", "small", "written", "created"} <= asked.keys()
    assert not any(asked.values())


@pytest.mark.integration
def test_unfinished_uploads_of_others_in_a_bucket_go_on(s3_uri: str) -> None:
    """OUT may be a whole bucket, and a job's place may lie around those of others."""
    bucket = s3_uri.removeprefix("s3://")
    ours = {"data/part-00000-x.parquet", "data/red/part-1", "place/data/part-2"}
    others = {"backup.tar", "database/dump", "place/below/data/part-3"}
    for key in sorted(ours | others):
        _s3_client.client().create_multipart_upload(Bucket=bucket, Key=key)

    def unfinished() -> set[str]:
        found = _s3_client.client().list_multipart_uploads(Bucket=bucket)
        return {upload["Key"] for upload in found.get("Uploads", [])}

    assert unfinished() == ours | others
    assert commit.remove_unfinished(s3_uri) == 2
    assert commit.remove_unfinished(storage.join(s3_uri, "place")) == 1
    assert unfinished() == others


def test_temporaries_of_others_below_a_place_stay(tmp_path: Path) -> None:
    ours = [tmp_path / ".aigc-tmp-1", tmp_path / "data" / "red" / ".aigc-tmp-2"]
    other = tmp_path / "other" / "data" / ".aigc-tmp-3"
    for path in (*ours, other):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    assert commit.remove_unfinished(str(tmp_path)) == 2
    assert not any(path.exists() for path in ours)
    assert other.exists()
