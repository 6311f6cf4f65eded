from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aigc.data.fingerprints import fingerprint
from aigc.modalities import MODALITIES
from tests.data.pictures import noise

SOURCE = MODALITIES["image"].source


def bits(left: np.uint64, right: np.uint64) -> int:
    return int(np.bitwise_count(left ^ right))


def test_equal_pixels_have_equal_fingerprints_wherever_they_stand() -> None:
    images = np.stack([noise(n, 28) for n in range(5)])
    alone, together = fingerprint(images[3:4], SOURCE), fingerprint(images, SOURCE)
    assert alone.content[0] == together.content[3]
    assert alone.phash[0] == together.phash[3]
    assert np.array_equal(alone.thumbnail[0], together.thumbnail[3])


def test_a_little_noise_keeps_the_hash_and_another_picture_does_not() -> None:
    image = noise(0, 64).astype(int)
    jitter = np.random.default_rng(0).integers(-2, 3, image.shape)
    close = np.clip(image + jitter, 0, 255)
    first, second, other = fingerprint(
        np.stack([image, close, noise(1, 64)]).astype(np.uint8), SOURCE
    ).phash
    assert bits(first, second) <= 2
    assert bits(first, other) > 10


def test_flat_images_hash_alike_whatever_their_grey() -> None:
    flat = np.stack([np.full((28, 28, 1), value, np.uint8) for value in (1, 77, 255)])
    assert len(set(fingerprint(flat, SOURCE).phash.tolist())) == 1


@given(st.integers(0, 1000), st.sampled_from([8, 13, 28, 64]), st.sampled_from([1, 3]))
def test_thumbnail_and_mean_never_overstate_the_distance(
    seed: int, size: int, channels: int
) -> None:
    rng = np.random.default_rng(seed)
    pair = rng.integers(0, 256, (2, size, size, channels), dtype=np.uint8)
    pair[1] = np.clip(pair[0] + rng.integers(-9, 40), 0, 255)
    prints = fingerprint(pair, SOURCE)
    true = SOURCE.distance(pair[:1], pair[1:])[0]
    gap = prints.thumbnail[0].astype(float) - prints.thumbnail[1]
    assert np.sqrt(np.square(gap).mean()) <= true + 1
    assert abs(prints.mean[0] - prints.mean[1]) <= true + 1e-9


def test_distance_is_the_root_mean_square() -> None:
    left = np.zeros((1, 2, 2, 1), np.uint8)
    right = np.array([0, 0, 10, 10], np.uint8).reshape(1, 2, 2, 1)
    assert SOURCE.distance(left, right)[0] == np.sqrt(50)
