from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from aigc.errors import DamagedError, StorageError
from aigc.modalities.image import encode
from aigc.modalities.image.perceptual import hash_file, hashes
from aigc.provenance import trace_index
from aigc.provenance.looks import PerceptualHashes
from aigc.provenance.trace_index import TraceIndex, id_key
from aigc.provenance.trace_writer import TraceWriter
from aigc.provenance.watermark.payload import payload_of
from tests.provenance.indexes import FIRST, ids, two_sets
from tests.provenance.statements import pixels
from tests.provenance.tampering import reencode


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    one, other = pixels(50, 96, seed=1), pixels(30, 96, seed=2)
    files = encode(np.concatenate([one, other]), "png")
    folder = tmp_path_factory.mktemp("index") / "new"
    return two_sets(folder, one, other, files), files


def test_every_item_is_found_by_id_digest_and_looks(made) -> None:
    index, files = made
    assert index.items == 80
    for at, (name, file) in enumerate(zip(ids("a", 50) + ids("b", 30), files, strict=True)):
        of = index.sets[at >= 50]
        (by_id,) = index.by_id(name)
        (by_digest,) = index.by_sha256(hashlib.sha256(file).digest())
        by_looks = index.alike(hash_file(file), 0, 0.0)[0]
        for found in (by_id, by_digest, by_looks):
            assert (found.id, found.of) == (name, of)
            assert found.sha256 == hashlib.sha256(file).hexdigest()
        assert (by_looks.distance, by_looks.colour_distance) == (0, 0.0)
        assert index.alike(hash_file(reencode(file, 0.7)), 24, 3.0)[0].id == name


def test_what_is_not_there_is_not_found(made) -> None:
    index, _ = made
    assert index.by_id("a-50") == []
    assert index.by_sha256(bytes(32)) == index.by_sha256(b"\xff" * 32) == []
    for file in encode(pixels(20, 96, seed=3), "png"):
        assert index.alike(hash_file(file), 40, 6.0) == []


def test_every_item_is_found_by_its_watermark(made) -> None:
    index, _ = made
    for name in ids("a", 50) + ids("b", 30):
        for bits in (24, 40, 56):
            assert name in [one.id for one in index.by_watermark(payload_of(name, bits))]
    foreign = [payload_of(f"c-{at}", 40) for at in range(200)]
    assert not any(index.by_watermark(payload) for payload in [*foreign, bytes(5), b"\xff" * 5])


def test_items_that_share_a_payload_are_all_found(made) -> None:
    index, _ = made
    short = {payload_of(name, 8) for name in ids("a", 50) + ids("b", 30)}
    found = [one.id for payload in short for one in index.by_watermark(payload, most=80)]
    assert sorted(found) == sorted(ids("a", 50) + ids("b", 30))
    assert all(len(index.by_watermark(payload, most=1)) == 1 for payload in short)


def test_equal_files_and_equal_ids_are_all_found(tmp_path) -> None:
    same = np.repeat(pixels(1, 64), 5, axis=0)
    index = two_sets(tmp_path / "new", same, same, [b"x"] * 10)
    assert len(index.by_sha256(hashlib.sha256(b"x").digest())) == 10
    assert len(index.alike(hashes(same[:1]), 0, 0.0, most=20)) == 10
    with TraceWriter(tmp_path / "two") as writer:
        for _ in range(2):
            writer.begin(FIRST)
            writer.add(["a-1"], [bytes(32)], hashes(same[:1]))
    assert [one.of.first for one in TraceIndex(tmp_path / "two").by_id("a-1")] == [0, 1]


def test_pictures_that_show_nothing_are_not_found_by_looks(tmp_path) -> None:
    flat = np.zeros((3, 32, 32, 3), np.uint8)
    index = two_sets(tmp_path / "new", flat, pixels(2, 32), [b"x"] * 5)
    assert index.alike(hashes(flat[:1]), 40, 6.0) == []
    assert index.by_id("a-1")


def test_hashes_some_bits_apart_share_a_band(tmp_path) -> None:
    random = np.random.default_rng(0)
    bits = random.integers(2**64, size=(5000, 4), dtype=np.uint64)
    colours = np.zeros((5000, 48), np.uint8)
    with TraceWriter(tmp_path / "new") as writer:
        writer.begin(FIRST)
        looks = PerceptualHashes(bits, colours, np.ones(5000, np.bool_))
        writer.add(ids("a", 5000), [bytes(32)] * 5000, looks)
    index = TraceIndex(tmp_path / "new")
    for flips, least in ((15, 1.0), (24, 1.0), (32, 0.99)):
        found = 0
        for row in range(400):
            flipped = np.unpackbits(bits[row].view(np.uint8))
            flipped[random.choice(256, flips, replace=False)] ^= 1
            query = np.packbits(flipped).view(np.uint64)[None]
            looks = PerceptualHashes(query, colours[:1], np.ones(1, np.bool_))
            near = index.alike(looks, 40, 0.0)
            found += [(one.id, one.distance) for one in near] == [(f"a-{row}", flips)]
        assert found >= least * 400


def test_crowded_bands_are_bounded(made, monkeypatch) -> None:
    index, files = made
    monkeypatch.setattr(trace_index, "MOST_COMPARED", 1)
    assert index.alike(hash_file(files[0]), 0, 0.0)[0].id == "a-0"


def test_an_empty_index_answers(tmp_path) -> None:
    with TraceWriter(tmp_path / "new"):
        pass
    index = TraceIndex(tmp_path / "new")
    assert index.items == 0
    assert index.by_id("a") == index.by_sha256(bytes(32)) == index.by_watermark(bytes(5)) == []
    assert index.alike(hashes(pixels(1)), 40, 6.0) == []


def test_folders_that_are_no_index_are_named_in_one_line(tmp_path) -> None:
    with pytest.raises(StorageError, match="not a folder made by `aigc index`"):
        TraceIndex(tmp_path)
    two_sets(tmp_path / "new", pixels(2), pixels(1), [b"x"] * 3)
    (tmp_path / "new/hashes.bin").write_bytes(b"x" * 7)
    with pytest.raises(DamagedError, match="make it again"):
        TraceIndex(tmp_path / "new")
    (tmp_path / "new/index.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(DamagedError, match="another format"):
        TraceIndex(tmp_path / "new")


def test_keys_of_ids_leave_room_for_the_next() -> None:
    assert all(int(id_key(str(n))) < 2**63 for n in range(1000))
