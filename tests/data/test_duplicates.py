from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np

from aigc.data import duplicates
from aigc.data.duplicates import Duplicate, DuplicateRows, find
from aigc.data.fingerprints import fingerprint
from aigc.modalities import MODALITIES
from tests.data.pictures import noise, spec
from tests.modalities.audio.sounds import spec as sound_spec

SPEC = spec("in", "out")


def rows_of(
    pixels: np.ndarray, protected: list[int] | None = None, source: str = "image"
) -> DuplicateRows:
    prints = fingerprint(pixels, MODALITIES[source].source)
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


def like_sounds(count: int) -> np.ndarray:
    """One tone with a noise of its own in each clip: of like hash, few of them duplicates."""
    time, rng = np.arange(2000) / 8_000, np.random.default_rng(0)
    tone = 0.4 * np.sin(2 * np.pi * 300 * time) * np.exp(-6 * time)
    noise = rng.normal(0, 0.05, (count, len(time))) * np.exp(-30 * time)
    return np.rint((tone + noise) * 32767).astype(np.int16)[..., None]


def test_like_sounds_are_decoded_once_and_compared_in_bounded_memory() -> None:
    sounds, loaded = like_sounds(300), list[int]()
    chosen = sound_spec(near_duplicate_distance=12)
    rows = rows_of(sounds, source="audio")

    def load(numbers: np.ndarray) -> np.ndarray:
        loaded.extend(numbers.tolist())
        return sounds[numbers]

    tracemalloc.start()
    try:
        find(rows, chosen, load)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2**29 + 300 * len(sounds)
    assert len(loaded) > 250, "they are alike enough to be compared"
    assert len(loaded) == len(set(loaded))


def test_sounds_that_do_not_fit_into_memory_are_decoded_again(monkeypatch: Any) -> None:
    """With room for eight of them the same pairs are found."""
    sounds = np.concatenate([like_sounds(40), np.rint(like_sounds(40) * 0.97).astype(np.int16)])
    rows, chosen = rows_of(sounds, source="audio"), sound_spec()
    whole = find(rows, chosen, lambda numbers: sounds[numbers])
    assert len(whole) >= 40
    monkeypatch.setattr(duplicates, "_KEPT_BYTES", 8 * 2048)
    assert find(rows, chosen, lambda numbers: sounds[numbers]) == whole
