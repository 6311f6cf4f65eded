from __future__ import annotations

import numpy as np
import pytest

from aigc.errors import StorageError
from aigc.generation import near_duplicate_scan
from aigc.generation.duplicates import (
    Part,
    Signatures,
    concatenate,
    find,
    parts,
    signatures,
)
from aigc.job.keys import ATTEMPT, Ints
from aigc.modalities import MODALITIES
from aigc.specs import DuplicateGate
from tests.data.pictures import noise

GATE = DuplicateGate()
SOURCE = MODALITIES["image"].source


def crowd(count: int, spots: int, seed: int = 0, spread: int = 3) -> Signatures:
    """`count` items around `spots` centres: hashes some bits off, thumbnails some levels off."""
    rng = np.random.default_rng(seed)
    spot = rng.integers(spots, size=count)
    phash = rng.integers(2**64, size=spots, dtype=np.uint64)[spot]
    for _ in range(2):
        flip = np.uint64(1) << rng.integers(64, size=count, dtype=np.uint64)
        phash = phash ^ np.where(rng.random(count) < 0.5, flip, np.uint64(0))
    levels = rng.integers(20, 230, (spots, 64))[spot] + rng.integers(
        -spread, spread + 1, (count, 64)
    )
    content = rng.integers(256, size=(count, 16), dtype=np.uint8)
    order = rng.permutation(count).astype(np.int64)
    return Signatures(order, phash, levels.astype(np.uint8), content, np.zeros(count, bool))


def refused(
    shards: list[Signatures], gate: DuplicateGate = GATE, buckets: int = 1, bands: int = 0
) -> set[int]:
    bands = bands or gate.distance + 1
    work = [Part(band, bands, at, buckets) for band in range(bands) for at in range(buckets)]
    return set(np.concatenate([find(part, shards, gate) for part in work]).tolist())


def split(all_: Signatures, count: int) -> list[Signatures]:
    return [all_.take(rows) for rows in np.array_split(np.arange(len(all_)), count)]


def near_pairs(items: Signatures, gate: DuplicateGate) -> list[tuple[int, int]]:
    """By comparing everything with everything, the plain way."""
    found = []
    for one in range(len(items)):
        bits = np.bitwise_count(items.phash[one] ^ items.phash)
        gap = items.thumbnail[one].astype(float) - items.thumbnail
        close = (bits <= gate.distance) & (np.sqrt((gap**2).mean(axis=1)) <= gate.rmse)
        found += [(one, int(other)) for other in np.flatnonzero(close) if other > one]
    return found


def test_planted_copies_are_found_across_shards_and_the_lower_stays() -> None:
    pixels = np.stack([noise(seed) for seed in (0, 1, 2, 0, 3, 1, 0)])
    pixels[5, 2, 2] ^= 3
    order = np.array([0, 1, ATTEMPT + 2, 3, 4, 5, ATTEMPT + 6])
    shards = split(signatures(order, pixels, SOURCE), 3)
    assert refused(shards) == {3, 5, ATTEMPT + 6}
    assert refused(shards[::-1]) == {3, 5, ATTEMPT + 6}
    exact = DuplicateGate(near=False)
    assert refused(shards, exact, bands=1) == {3, ATTEMPT + 6}


@pytest.mark.parametrize("small", [1, 1000], ids=["blocks", "side by side"])
@pytest.mark.parametrize("distance", [0, 2, 5])
def test_no_two_that_stay_are_near_and_each_refused_has_a_reason(
    distance: int, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near_duplicate_scan, "_SMALL", small)
    monkeypatch.setattr(near_duplicate_scan, "_BLOCK", 7)
    monkeypatch.setattr(near_duplicate_scan, "_CHUNK", 13)
    gate = DuplicateGate(distance=distance, rmse=2.7)
    items = crowd(600, 60)
    gone = refused([items], gate)
    pairs = [(int(items.order[a]), int(items.order[b])) for a, b in near_pairs(items, gate)]
    assert len(pairs) > 40
    assert not [pair for pair in pairs if not gone & set(pair)]
    assert gone <= {max(pair) for pair in pairs}


@pytest.mark.parametrize("many", [0.0, 1.0], ids=["all thumbnails", "pair by pair"])
def test_both_ways_to_compare_thumbnails_agree(
    many: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, expected = crowd(400, 1, spread=4), refused([crowd(400, 1, spread=4)])
    monkeypatch.setattr(near_duplicate_scan, "_MANY", many)
    assert refused([items]) == expected
    assert 0 < len(expected) < 399


def test_neither_shards_nor_buckets_nor_arrival_matter() -> None:
    items = crowd(5000, 700)
    expected = refused([items])
    assert 1000 < len(expected) < 5000
    shards = split(items, 9)
    assert refused(shards, buckets=8) == expected
    shuffled = [shards[at] for at in np.random.default_rng(3).permutation(9)]
    assert refused(shuffled, buckets=3) == expected
    assert refused(split(items.take(np.random.default_rng(4).permutation(5000)), 2)) == expected


def test_settled_items_stay_and_refuse_lower_ones() -> None:
    pixels = np.stack([noise(0)] * 3 + [noise(1)])
    items = signatures(np.array([5, 3, ATTEMPT + 3, 4]), pixels, SOURCE)
    before, now = items.take(np.array([0, 1])), items.take(np.array([2, 3]))
    settled = before.settle(np.array([3]))
    assert settled.order.tolist() == [5]
    assert refused([now, settled]) == {ATTEMPT + 3}
    lower = signatures(np.array([1]), pixels[:1], SOURCE)
    assert refused([lower, settled]) == {1}
    assert refused([settled, settled]) == set()


def test_settled_items_count_in_a_large_group(monkeypatch: pytest.MonkeyPatch) -> None:
    items = crowd(500, 3)
    first, then = items.take(items.order < 250), items.take(items.order >= 250)
    gone = np.array(sorted(refused([first])), np.int64)
    later = refused([then, first.settle(gone)])
    assert later <= set(then.order.tolist())
    alive = concatenate([first.settle(gone), then])
    alive = alive.take(~np.isin(alive.order, list(later)))
    assert near_pairs(alive, GATE) == []
    monkeypatch.setattr(near_duplicate_scan, "_SMALL", 0)
    assert refused([then, first.settle(gone)]) == later


def test_a_collapsed_model_is_walked_in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each leader sees each later item once: nobody compares copies with copies."""
    seen = 0
    plain = near_duplicate_scan.Similarity.table

    def counted(self: near_duplicate_scan.Similarity, left: Ints, right: Ints) -> object:
        nonlocal seen
        seen += len(left) * len(right)
        return plain(self, left, right)

    monkeypatch.setattr(near_duplicate_scan.Similarity, "table", counted)
    items = crowd(20_000, 1, spread=1)
    gate = DuplicateGate(distance=8, rmse=8)
    one_band = find(Part(8, 9), [items], gate)
    assert len(one_band) > 15_000
    assert 0 < seen < 20 * 20_000


def test_equal_items_are_put_aside_while_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    from aigc.generation import duplicates

    monkeypatch.setattr(duplicates, "_PART_ITEMS", 100)
    held = []
    plain = duplicates._Pile.collapse

    def watched(self: duplicates._Pile) -> None:
        held.append(len(self.rank) + self._waiting)
        plain(self)

    monkeypatch.setattr(duplicates._Pile, "collapse", watched)
    one = crowd(10, 10).take(np.tile(np.arange(10), 300))
    items = Signatures(np.arange(3000), one.phash, one.thumbnail, one.content, one.settled)
    assert refused(split(items, 100), DuplicateGate(distance=0)) == set(range(10, 3000))
    assert max(held) < 150


def test_the_parts_cover_every_item_once_a_band() -> None:
    work = parts(3_000_000, 2)
    phash = crowd(10_000, 10_000).phash
    assert len(work) == 3 * 8
    for band in range(3):
        counts = np.array([part.holds(phash).sum() for part in work if part.band == band])
        assert counts.sum() == 10_000
        assert counts.max() < 1.3 * counts.mean()
    assert str(work[-1]) == "band 3 of 3, bucket 8 of 8"
    assert parts(10, 0) == [Part(0, 1)]


def test_bands_share_out_all_bits() -> None:
    for bands in range(1, 10):
        width = [
            int(Part(at, bands).values(np.array([2**64 - 1], np.uint64))[0]) for at in range(bands)
        ]
        assert sum(value.bit_count() for value in width) == 64


def test_bytes_come_back_and_damage_is_named() -> None:
    items = crowd(50, 50).settle(np.array([7]))
    data = items.to_bytes()
    again = Signatures.from_bytes(data)
    for name in ("order", "phash", "thumbnail", "content", "settled"):
        np.testing.assert_array_equal(getattr(again, name), getattr(items, name))
    assert len(again) == 49
    assert len(data) < 100 * 49 + 10
    assert len(Signatures.from_bytes(crowd(0, 1).to_bytes())) == 0
    for damaged in (data[:-1], b"?" + data[1:], b""):
        with pytest.raises(StorageError, match="signatures is damaged"):
            Signatures.from_bytes(damaged)


def test_nothing_in_nothing_out() -> None:
    assert refused([]) == set()
    assert refused([crowd(0, 1)]) == set()
