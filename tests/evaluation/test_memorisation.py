from __future__ import annotations

import numpy as np
import pytest

from aigc.data.dataset import Dataset, open_dataset
from aigc.evaluation.memorisation import (
    Neighbours,
    memorisation_metrics,
    nearest_training_images,
    training_images,
    vectors,
)


@pytest.fixture(scope="module")
def digits(digits_data: str) -> Dataset:
    return open_dataset(digits_data)


@pytest.fixture(scope="module")
def test_near(digits: Dataset) -> Neighbours:
    return nearest_training_images(digits.read("test")[0], digits)


def test_neighbours_are_those_of_a_full_search(digits: Dataset, test_near: Neighbours) -> None:
    test, train = digits.read("test")[0][:20], digits.read("train")[0]
    gaps = test[:, None].astype(np.float64) - train[None]
    rms = np.sqrt((gaps**2).mean(axis=(2, 3, 4)))
    np.testing.assert_allclose(test_near.distances[:20], np.sort(rms)[:, :5], atol=0.1)
    np.testing.assert_array_equal(test_near.nearest[:20], rms.argmin(1))


def test_batches_compete_with_one_another(
    digits: Dataset, test_near: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aigc.evaluation import memorisation

    monkeypatch.setattr(memorisation, "_BATCH_ITEMS", 97)
    monkeypatch.setattr(memorisation, "_QUERY_ITEMS", 50)
    seen: list[int] = []
    again = nearest_training_images(digits.read("test")[0], digits, seen.append)
    np.testing.assert_allclose(again.distances, test_near.distances, atol=1e-2)
    np.testing.assert_array_equal(again.nearest, test_near.nearest)
    assert sum(seen) == digits.counts["train"]


def test_copied_training_images_are_caught(digits: Dataset, test_near: Neighbours) -> None:
    train = digits.read("train", 30, seed=1)[0]
    fresh = np.roll(digits.read("test")[0], 1, axis=2)
    samples = np.concatenate([train, fresh])
    found = nearest_training_images(samples, digits)
    figures = memorisation_metrics(found, test_near, "grey level")
    assert figures["copies"]["model"] == pytest.approx(30 / len(samples))
    assert figures["copies"]["floor"] == 0
    assert figures["verdict"].startswith("suspected: ")
    assert set(found.closest(30)) == set(range(30))
    copied, _ = training_images(digits, found.nearest[:30].tolist())
    np.testing.assert_array_equal(copied, train)


def test_new_images_are_not(digits: Dataset, test_near: Neighbours) -> None:
    found = nearest_training_images(np.roll(digits.read("test")[0], 1, axis=2), digits)
    assert memorisation_metrics(found, test_near, "grey level")["verdict"] == "none"


def test_smooth_samples_are_near_everything_and_no_copies(
    digits: Dataset, test_near: Neighbours
) -> None:
    """Means of ten images of a class: nearer to training images than any test image is."""
    pixels, labels = digits.read("train")
    groups = [np.flatnonzero(labels == label)[:100].reshape(10, 10) for label in range(10)]
    smooth = pixels[np.concatenate(groups)].mean(axis=1).round().astype(np.uint8)
    figures = memorisation_metrics(nearest_training_images(smooth, digits), test_near, "grey level")
    assert figures["median_distance"]["model"] < figures["median_distance"]["floor"] * 1.1
    assert figures["verdict"] == "none"


def test_large_images_are_compared_on_32_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    found = vectors(pixels, 32)
    assert found.shape == (2, 32 * 32 * 3)
    expected = pixels[0, :2, :2, 0].mean() / 255 - 0.5
    assert float(found[0, 0]) * 3072**0.5 == pytest.approx(expected, abs=1e-5)
