from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from aigc.data.dataset import Dataset, open_dataset
from aigc.errors import DataError
from aigc.evaluation import nearest
from aigc.evaluation.cache import FOLDER
from aigc.evaluation.memorisation import nearest_training_images
from aigc.evaluation.nearest import TrainingIndex, baseline, levels
from aigc.evaluation.reference import MAX_TEST_NEIGHBOURS


@pytest.fixture(scope="module")
def digits(digits_data: str) -> Dataset:
    return open_dataset(digits_data)


@pytest.fixture(scope="module")
def index(digits: Dataset) -> TrainingIndex:
    return TrainingIndex(digits)


def queries(digits: Dataset) -> np.ndarray:
    """Copies, items of no class, and noise, which is far from everything."""
    train, test = digits.read("train", 40, seed=1)[0], digits.read("test", 200, seed=1)[0]
    noise = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 1), dtype=np.uint8)
    return np.concatenate([train, test, noise])


def full_search(digits: Dataset, items: np.ndarray) -> np.ndarray:
    """Sorted root mean squares (N, train)."""
    train = digits.read("train")[0].astype(np.float64)
    gaps = items[:, None].astype(np.float64) - train[None]
    return np.sqrt((gaps**2).mean(axis=(2, 3, 4)))


def test_a_search_is_that_of_all_pairs(digits: Dataset, index: TrainingIndex) -> None:
    items = queries(digits)
    found, rms = index.nearest(items), full_search(digits, items)
    np.testing.assert_allclose(found.distances, np.sort(rms)[:, :5], atol=1e-3)
    own = np.take_along_axis(rms, found.nearest[:, None], 1)[:, 0]
    np.testing.assert_allclose(own, rms.min(1), atol=1e-6)
    assert (found.distances[:40, 0] == 0).all()


@pytest.mark.parametrize("name", ["_BLOCK_ITEMS", "_QUERY_ITEMS", "_GROUP_ITEMS", "_READ_BYTES"])
def test_blocks_and_groups_change_nothing(
    digits: Dataset, index: TrainingIndex, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    expected = index.nearest(queries(digits))
    monkeypatch.setattr(nearest, name, 7)
    found = TrainingIndex(digits).nearest(queries(digits))
    np.testing.assert_allclose(found.distances, expected.distances, atol=1e-4)
    np.testing.assert_array_equal(found.nearest[:40], expected.nearest[:40])


def test_the_least_of_a_table_are_found_in_its_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "_GROUP_ITEMS", 4)
    table = torch.rand((50, 43), generator=torch.Generator().manual_seed(0))
    table[:, :4] -= 1  # all of the least in one group
    table[1::2, -3:] -= 2  # or behind the last whole one
    near, at = nearest._least(table)
    expected, places = table.topk(5, largest=False)
    assert torch.equal(near, expected)
    assert torch.equal(at, places)


def test_above_the_memory_it_lies_in_files(digits: Dataset, index: TrainingIndex) -> None:
    seen: list[int] = []
    spooled = TrainingIndex(digits, 1000, seen.append)
    assert sum(seen) == digits.counts["train"]
    found = spooled.nearest(queries(digits))
    np.testing.assert_array_equal(found.distances, index.nearest(queries(digits)).distances)


def test_it_agrees_with_the_evaluation(digits: Dataset, index: TrainingIndex) -> None:
    items = digits.read("test")[0]
    found, other = index.nearest(items), nearest_training_images(items, digits)
    np.testing.assert_allclose(found.distances, other.distances, atol=0.1)
    np.testing.assert_allclose(found.isolation, other.isolation, atol=0.05)


def test_the_baseline_is_kept_and_shared_with_the_evaluation(digits: Dataset) -> None:
    assert nearest.MOST_OF_TEST == MAX_TEST_NEIGHBOURS
    loads: list[int] = []

    def load() -> TrainingIndex:
        loads.append(1)
        return TrainingIndex(digits)

    for file in (Path(digits.uri) / FOLDER).glob("neighbours-*"):
        file.unlink()
    first, second = baseline(digits, load), baseline(digits, load)
    assert first is not None
    assert second is not None
    assert len(first.distances) == digits.counts["test"]
    np.testing.assert_array_equal(first.distances, second.distances)
    assert loads == [1]


def test_data_without_test_items_has_no_baseline(digits: Dataset) -> None:
    plain = Dataset(digits.uri, digits.info | {"counts": {"train": 100, "test": 0}})

    def load() -> TrainingIndex:
        raise AssertionError

    assert baseline(plain, load) is None


def test_too_few_training_items_are_refused(digits: Dataset) -> None:
    with pytest.raises(DataError, match="4 training items; at least 5"):
        TrainingIndex(Dataset(digits.uri, digits.info | {"counts": {"train": 4, "test": 0}}))


def test_pictures_of_any_size_become_levels_of_one_grid() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    found = levels(pixels, 32)
    assert (found.shape, found.dtype) == ((3, 32 * 32 * 3), np.dtype(np.uint8))
    expected = pixels[1, 2:4, :2, 2].mean()
    assert abs(float(found[1].reshape(3, 32, 32)[2, 1, 0]) - expected) <= 0.5
    small = pixels[:, :32, :32]
    np.testing.assert_array_equal(
        levels(small, 32).reshape(3, 3, 32, 32), small.transpose(0, 3, 1, 2)
    )
