"""Signed sets: what is verified, what is made again, and what counts in digests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aigc.distributed import generate
from aigc.errors import JobError
from aigc.execution.shard_work import make_item_generator
from aigc.generation import round_files, rounds
from aigc.generation.pipeline import MakeShard
from aigc.job.plan import Job
from aigc.output import commit
from aigc.provenance import signing
from aigc.provenance.checking import CredentialReader
from aigc.provenance.signing import FileSigner
from aigc.provenance.statement import ItemFacts
from aigc.provenance.trace_index import TraceIndex
from aigc.provenance.unsigned import unsigned
from aigc.sets import manifest, read
from aigc.sets.tracing import index_sets
from aigc.sets.verify import verify
from tests.provenance.authority import time_stamp_authority
from tests.provenance.signers import environment, root, root_pem
from tests.sets.conftest import SetMaker

SIGNED = {"profile": "eu", "provider": "ACME-1", "credentials": {}}


@pytest.fixture(autouse=True)
def keys(monkeypatch) -> None:
    for name, text in environment().items():
        monkeypatch.setenv(name, text)


def files_of(out: str) -> list[bytes]:
    job = commit.read_job(out)
    found = read.items(out, job, commit.read_records(out), range(job.count))
    return [found[at] for at in range(job.count)]


@pytest.mark.parametrize("codec", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("writer", ["parquet", "webdataset", "files"])
def test_a_signed_set_has_the_content_digest_of_the_files_before_signing(
    sets: SetMaker, tmp_path: Path, codec, writer
) -> None:
    signed, plain = str(tmp_path / "signed"), str(tmp_path / "plain")
    asked = {"codec": codec, "writer": writer, "count": 20}
    sets.finished(signed, provenance=SIGNED, **asked)
    sets.finished(plain, provenance={**SIGNED, "credentials": None}, **asked)
    found = verify(signed)
    assert found["content_digest"] == verify(plain)["content_digest"]
    assert (found["credentials"], found["decoded"]) == ("checked", 20)
    reader = CredentialReader([root_pem()])
    ids = read_ids(signed)
    for file, item_id, bare in zip(files_of(signed), ids, files_of(plain), strict=True):
        assert unsigned(file) == bare
        check = reader.check(file)
        assert (check.standing, check.origin["item"]) == ("trusted", item_id)


def read_ids(out: str) -> list[str]:
    job, records = commit.read_job(out), commit.read_records(out)
    parts = [part for record in records.values() for part in read.rows(out, job, record)]
    return [name for part in parts for name in part.ids]


def test_two_runs_have_one_content_digest_and_other_signatures(
    sets: SetMaker, tmp_path: Path
) -> None:
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    sets.finished(one, provenance=SIGNED, count=24)
    sets.finished(other, order=[0], provenance=SIGNED, count=24)
    assert verify(one)["content_digest"] == verify(other)["content_digest"]
    assert files_of(one) != files_of(other)


def test_items_are_made_again_without_the_key(sets: SetMaker, tmp_path: Path, monkeypatch) -> None:
    out = str(tmp_path / "set")
    sets.finished(out, provenance=SIGNED, count=16)
    for name in environment():
        monkeypatch.delenv(name)
    again = generate.regenerate(out, [0, 5, 15])
    stored = files_of(out)
    assert all(again[at] == unsigned(stored[at]) != stored[at] for at in again)


def test_a_credential_that_does_not_hold_is_found(sets: SetMaker, tmp_path: Path) -> None:
    """The credential of another item passes every other check: it stands outside the digest."""
    out, files = str(tmp_path / "set"), "files"
    sets.finished(out, provenance=SIGNED, count=4, writer=files, codec="png")
    one, other = sorted((tmp_path / "set" / "images").rglob("*.png"))[:2]
    first = one.read_bytes()
    length = int.from_bytes(first[33:37], "big") + 12
    second = other.read_bytes()
    swapped = second[:33] + first[33 : 33 + length] + unsigned(second)[33:]
    assert unsigned(swapped) == unsigned(second)
    other.write_bytes(swapped)
    with pytest.raises(JobError, match="its credential is invalid: "):
        verify(out)


def test_an_unsigned_file_in_a_signed_set_is_found(sets: SetMaker, tmp_path: Path) -> None:
    out = str(tmp_path / "set")
    sets.finished(out, provenance=SIGNED, count=4, writer="files")
    path = next((tmp_path / "set" / "images").rglob("*.png"))
    path.write_bytes(unsigned(path.read_bytes()))
    with pytest.raises(JobError, match="its credential is not_present: it has none"):
        verify(out)


def test_card_and_manifest_name_profile_and_credentials(sets: SetMaker, tmp_path: Path) -> None:
    out = tmp_path / "set"
    sets.finished(str(out), provenance=SIGNED, count=4)
    assert json.loads((out / "manifest.json").read_bytes())["provenance"] == {
        "profile": "eu",
        "metadata": True,
        "visible": None,
        "watermark": None,
        "signed": True,
        "authority": None,
    }
    card = (out / "README.md").read_text()
    assert (
        "provenance profile `eu`; metadata in each file; no watermark; Content Credentials (C2PA)"
        in card
    )
    secrets = [*environment().values()]
    texts = [path.read_bytes().decode("utf-8", "replace") for path in out.rglob("*.*")]
    assert not [text for text in texts if any(secret[60:200] in text for secret in secrets)]


def test_items_without_a_time_stamp_are_counted(
    sets: SetMaker, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(signing, "_PAUSE_S", 0.01)
    out = tmp_path / "set"
    with time_stamp_authority(root()) as authority:
        asked = {"authority": authority.url, "on_outage": "unstamped"}
        job = sets.start(
            str(out), count=24, micro_batch=8, shard_items=8, provenance={"credentials": asked}
        )
        sets.shards(str(out), job, [0])
        authority.is_up = False
        sets.shards(str(out), job, [1, 2])
        said = manifest.finish(str(out), job)
    assert [record.unstamped for record in commit.read_records(str(out)).values()] == [0, 8, 8]
    assert said["provenance"]["unstamped"] == 16
    assert "(16 files have none: it did not answer)" in (out / "README.md").read_text()
    assert verify(str(out))["unstamped"] == 16
    file = out / "manifest.json"
    file.write_text(file.read_text().replace('"unstamped": 16', '"unstamped": 0'))
    with pytest.raises(JobError, match="unstamped differs from that of the records"):
        verify(str(out))


def test_what_is_refused_as_a_duplicate_is_never_signed(
    sets: SetMaker, tmp_path: Path, monkeypatch
) -> None:
    signed: list[str] = []
    sign = FileSigner.sign

    def counted(self: FileSigner, file: bytes, codec: str, item: ItemFacts, *more: Any) -> bytes:
        signed.append(item.id)
        return sign(self, file, codec, item, *more)

    monkeypatch.setattr(FileSigner, "sign", counted)
    out = str(tmp_path / "set")
    job = sets.start(out, count=16, gates={"duplicates": True}, provenance=SIGNED)
    maker, shard = make_item_generator(job, sets.config, sets.tensors, None), job.shard(0)
    for number, refused in enumerate(([3, 5], [])):
        unit = rounds.StageCandidates(shard, number)
        unit(maker, out, lambda count: None).close(lambda count: None)
        round_files.write_refused(out, number, np.array(refused, np.int64))
    assert signed == []
    rounds.AssembleShard(shard, 2)(maker, out, lambda count: None).close(lambda count: None)
    manifest.finish(out, job)
    assert verify(out)["credentials"] == "checked"
    assert signed == read_ids(out)
    assert {file for file in files_of(out) if unsigned(file) == file} == set()


def test_a_set_that_states_nothing_says_why(sets: SetMaker, tmp_path: Path) -> None:
    out = tmp_path / "set"
    none = {"profile": "none", "reason": "stays in the laboratory"}
    sets.finished(str(out), provenance=none, count=4)
    found = json.loads((out / "manifest.json").read_bytes())["provenance"]
    assert (found["profile"], found["reason"]) == ("none", none["reason"])
    assert "(provenance profile `none`): stays in the laboratory" in (out / "README.md").read_text()
    assert not any(b"iTXt" in file for file in files_of(str(out)))


def test_the_index_knows_the_training_data(sets: SetMaker, tmp_path: Path) -> None:
    out = str(tmp_path / "set")
    job = sets.start(out, count=4)
    known = Job.model_validate(job.model_dump() | {"data_digest": "e" * 64})
    Path(commit.job_uri(out)).write_bytes(known.to_json())
    maker = make_item_generator(known, sets.config, sets.tensors, None)
    MakeShard(known.shard(0))(maker, out, lambda count: None).close(lambda count: None)
    manifest.finish(out, known)
    index_sets([out], tmp_path / "index")
    (found,) = TraceIndex(tmp_path / "index").by_id(read_ids(out)[0])
    assert found.of.data_digest == "e" * 64
