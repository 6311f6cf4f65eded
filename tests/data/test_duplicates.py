from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np

from aigc.data.duplicates import Duplicate, DuplicateRows, find
from aigc.data.fingerprints import fingerprint
from aigc.modalities import MODALITIES
from tests.data.pictures import noise, spec

SPEC = spec("in", "out")


def rows_of(pixels: np.ndarray, protected: list[int] | None = None) -> DuplicateRows:
    prints = fingerprint(pixels, MODALITIES["image"].source)
    keep = np.zeros(len(pixels), bool)
    keep[protected or []] = True
    content = np.array([np.void(one) for one in prints.content])
    return DuplicateRows(content, prints.phash, prints.thumbnail, prints.mean, keep)


def found(pixels: np.ndarray, protected: list[int] | None = None, **fields: object) -> set[tuple]:
    chosen = SPEC.model_copy(update=fields)
    result = find(rows_of(pixels, protected), chosen, lambda numbers: pixels[numbers])
    assert all(isinstance(one, Duplicate) for one in result)
    return {(one.dropped, one.kept, one.kind) for one in result}


def pictures(*seeds: int) -> np.ndarray:
    return np.stack([noise(seed) for seed in seeds])


def test_the_earliest_of_equal_images_stays() -> None:
    assert found(pictures(0, 1, 0, 2, 0)) == {(2, 0, "exact"), (4, 0, "exact")}


def test_protected_rows_stay_even_when_equal() -> None:
    assert found(pictures(0, 0, 0), protected=[0, 1]) == {(2, 0, "exact")}


def test_an_image_that_differs_by_a_hair_is_a_near_duplicate() -> None:
    pixels = pictures(0, 1, 0)
    pixels[2, 3, 3] ^= 3
    assert found(pixels) == {(2, 0, "near")}
    assert found(pixels, near_duplicates="keep") == set()
    assert found(pixels, protected=[0, 1, 2]) == set()


def test_a_like_hash_is_not_enough() -> None:
    pixels = np.stack([np.full((16, 16, 3), grey, np.uint8) for grey in (100, 103, 120)])
    assert found(pixels) == {(1, 0, "near")}
    assert found(pixels, near_duplicate_rmse=2.5) == set()


def test_a_chain_is_judged_against_what_stays() -> None:
    chain = np.stack([np.full((16, 16, 3), grey, np.uint8) for grey in (100, 103, 106, 109)])
    assert found(chain) == {(1, 0, "near"), (3, 2, "near")}


def test_exact_duplicates_may_be_kept() -> None:
    assert found(pictures(0, 0), duplicates="keep") == set()


def test_bands_find_what_comparing_all_pairs_finds() -> None:
    rng = np.random.default_rng(0)
    base = np.stack([noise(seed) for seed in range(40)]).astype(int)
    pixels = np.concatenate([base, base + rng.integers(-6, 7, base.shape)]).clip(0, 255)
    pixels = pixels.astype(np.uint8)
    rows = rows_of(pixels)
    wide: dict[str, Any] = {"near_duplicate_distance": 5, "near_duplicate_rmse": 5.0}
    close = set()
    for later in range(80):
        for earlier in range(later):
            bits = int(np.bitwise_count(rows.phash[earlier] ^ rows.phash[later]))
            gap = pixels[earlier].astype(float) - pixels[later]
            if bits <= 5 and np.sqrt(np.square(gap).mean()) < 5:
                close.add((later, earlier, "near"))
    assert close
    assert found(pixels, **wide) == close


def test_thousands_of_like_images_take_bounded_memory() -> None:
    """Frames of a static camera: eight million pairs of like hash, of which 100,000 are made. The
    bound is that of the docstring; what NumPy allocates is counted."""
    rng = np.random.default_rng(0)
    scene = rng.integers(30, 220, (1, 8, 8, 1)).repeat(2, 1).repeat(2, 2)
    pixels = np.clip(scene + rng.normal(0, 1, (4_000, 16, 16, 1)), 0, 255).astype(np.uint8)
    rows = rows_of(pixels)
    tracemalloc.start()
    try:
        result = find(rows, SPEC, lambda numbers: pixels[numbers])
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2**29 + 300 * len(pixels)
    kept = set(range(len(pixels))) - {one.dropped for one in result}
    assert 0 in kept
    assert len(kept) < 100
    assert {one.kept for one in result} <= kept
