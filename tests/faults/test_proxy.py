"""The proxy spoils what it says, and `storage` outlasts each kind of it."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from aigc import storage
from aigc.errors import StorageError
from aigc.output import records
from aigc.storage import _s3_client, _s3_create, _s3_upload
from tests.faults.proxy import KINDS, FaultProxy, fault_proxy
from tests.output.test_records import record
from tests.servers import S3Server, make_bucket

pytestmark = pytest.mark.integration

SLOW = ("stall", "slow_down")

Through = Callable[..., tuple[str, FaultProxy]]


@pytest.fixture
def through(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Through]:
    """A fresh bucket behind a proxy with the options given; requests are given up after 1 s."""
    bucket = make_bucket(s3_server, f"test-{uuid.uuid4().hex[:12]}")
    with ExitStack() as stack:

        def start(**options: object) -> tuple[str, FaultProxy]:
            proxy = stack.enter_context(fault_proxy(s3_server.endpoint, **options))
            server = dataclasses.replace(s3_server, endpoint=proxy.endpoint)
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)
            monkeypatch.setenv("AIGC_S3_TIMEOUT_S", "1")
            _s3_client.client.cache_clear()
            return storage.join(bucket, "set"), proxy

        yield start
    _s3_client.client.cache_clear()


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.faults if kind in SLOW else ()) for kind in KINDS],
)
def test_every_kind_of_fault_is_outlasted(kind: str, through: Through, tmp_path: Path) -> None:
    uri, proxy = through(rate=0.3, seed=1, kinds=(kind,), stall_s=3)
    data = bytes(range(256)) * 4096
    for number in range(6):
        storage.write_bytes(f"{uri}/{number}", data[number:])
        assert storage.read_bytes(f"{uri}/{number}") == data[number:]
        (tmp_path / "file").write_bytes(data[number:])
        storage.upload(tmp_path / "file", f"{uri}/file")
        assert storage.read_bytes(f"{uri}/file") == data[number:]
        assert storage.read_if_there(f"{uri}/none") is None
        assert len(list(storage.listing(uri))) == number + 2
    assert storage.create(f"{uri}/first", b"mine")
    assert not storage.create(f"{uri}/first", b"another's")
    assert len(list(storage.listing(uri))) == 8
    storage.delete(f"{uri}/0")
    assert not storage.exists(f"{uri}/0")
    assert proxy.injected[kind] >= 3, proxy


@pytest.mark.parametrize("one_part_mib", [8, 64])
def test_large_files_come_through_whole(
    one_part_mib: int, through: Through, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_s3_upload, "_ONE_PART_BYTES", one_part_mib * 2**20)
    uri, proxy = through(rate=0.3, seed=2, stall_s=3)
    data = bytes(range(256)) * 100_000
    (tmp_path / "file").write_bytes(data)
    storage.upload(tmp_path / "file", f"{uri}/file")
    with storage.open_input(f"{uri}/file") as source:
        source.seek(20_000_000)
        assert source.read(5_000_000) == data[20_000_000:25_000_000]
        source.seek(0)
        assert source.read() == data
    storage.remove_unfinished(uri, 0, ["file"])
    assert proxy.injected.total() >= 3, proxy


def test_an_outage_is_an_error_in_the_end(through: Through, monkeypatch) -> None:
    uri, _ = through(rate=1.0, kinds=("slow_down",))
    monkeypatch.setenv("AIGC_S3_PATIENCE_S", "2")
    with pytest.raises(StorageError, match="SlowDown"):
        storage.read_bytes(f"{uri}/file")


@pytest.mark.parametrize("conditional", ["ignored", "refused"])
def test_a_store_without_conditional_put_is_found_out(conditional: str, through: Through) -> None:
    uri, _ = through(conditional=conditional)
    assert not storage.can_create(uri)
    assert "no conditional PUT" in (records.store_note(uri) or "")
    assert list(storage.listing(uri)) == []
    assert storage.create(f"{uri}/first", b"mine")
    assert not storage.create(f"{uri}/first", b"another's")
    assert records.commit(uri, record(attempt="b"))
    assert not records.commit(uri, record(attempt="c"))
    assert records.commit(uri, record(attempt="a"))
    assert records.settle(uri)[0].attempt == "a"
    assert not records.commit(uri, record(attempt="0"))


def test_a_probe_amid_faults_finds_the_truth(through: Through) -> None:
    uri, _ = through(rate=0.3, seed=3, kinds=("lost_answer", "reset", "slow_down"))
    for _ in range(5):
        _s3_create._found.clear()
        assert storage.can_create(uri)
