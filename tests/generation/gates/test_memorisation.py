from __future__ import annotations

import numpy as np
import pytest

from aigc.data.dataset import Dataset, open_dataset
from aigc.data.fingerprints import averages
from aigc.errors import SpecError
from aigc.generation.gates import memorisation
from aigc.generation.gates.memorisation import TrainingImages
from aigc.types import UInt8Images


@pytest.fixture(scope="module")
def digits(digits_data: str) -> Dataset:
    return open_dataset(digits_data)


def nearest(pixels: UInt8Images, dataset: Dataset) -> np.ndarray:
    """Root mean square to the nearest, by comparing with every training image."""
    known = averages(dataset.read("train")[0], 16, dataset.kind).astype(np.float64)
    gaps = averages(pixels, 16, dataset.kind).astype(np.float64)[:, None] - known
    return np.sqrt((gaps**2).mean(axis=2)).min(axis=1)


@pytest.mark.parametrize("many", [-1.0, 0.01, 2.0], ids=["whole", "as it comes", "pairs"])
@pytest.mark.parametrize("rmse", [0.5, 20.0, 40.0])
def test_the_search_is_exact(
    digits: Dataset, rmse: float, many: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memorisation, "_MANY", many)
    monkeypatch.setattr(memorisation, "_KNOWN_ITEMS", 300)
    monkeypatch.setattr(memorisation, "_PAIRS", 50)
    pixels = np.concatenate([digits.read("test")[0][:150], digits.read("train", 10, 1)[0]])
    expected = nearest(pixels, digits) <= rmse
    assert expected.sum() >= 10
    np.testing.assert_array_equal(TrainingImages(digits, rmse).near(pixels), expected)


def test_copies_are_known_again_and_new_pictures_are_not(digits: Dataset) -> None:
    known = TrainingImages(digits, 4.0)
    copies = digits.read("train", 50, seed=1)[0]
    assert known.near(copies).all()
    touched = copies.copy()
    touched[:, 3:5, 3:5] ^= 7
    assert known.near(touched).all()
    assert not known.near(np.roll(copies, 5, axis=2)).any()


def test_sizes_and_colours_may_differ(digits: Dataset) -> None:
    big = digits.read("train", 20, seed=1)[0].repeat(4, axis=1).repeat(4, axis=2).repeat(3, axis=3)
    assert TrainingImages(digits, 0.1).near(big).all()


def test_the_limit_itself_is_too_close(digits: Dataset) -> None:
    pixels = np.roll(digits.read("test")[0][:1], 1, axis=1)
    gap = float(nearest(pixels, digits)[0])
    assert TrainingImages(digits, gap + 1e-9).near(pixels).all()
    assert not TrainingImages(digits, gap - 1e-6).near(pixels).any()


def test_without_training_images_there_is_nothing_to_compare_with(digits: Dataset) -> None:
    empty = Dataset(digits.uri, digits.info | {"counts": {"train": 0}})
    with pytest.raises(SpecError, match=r"gates\.memorisation\.data = .*no training images"):
        TrainingImages(empty, 4.0)
