from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from aigc.data.dataset import Dataset
from aigc.data.loader import Loader
from aigc.errors import DataError

MEMORY = [2**30, 1000]
"""Enough for the whole set; so little that it is streamed block by block."""


def loader(data: Dataset, memory_bytes: int, batch: int = 32, **more: Any) -> Loader:
    made = Loader(data, "train", batch, **{"seed": 0, **more}, memory_bytes=memory_bytes)
    assert made.in_memory == (memory_bytes == MEMORY[0])
    return made


def take(made: Loader, steps: int, first_step: int = 0) -> list[tuple[bytes, list[int]]]:
    batches = itertools.islice(made.batches(first_step), steps)
    return [(pixels.tobytes(), labels.tolist()) for pixels, labels in batches]


@pytest.mark.parametrize("memory", MEMORY)
def test_resuming_at_a_step_gives_what_would_have_come(numbered: Dataset, memory: int) -> None:
    whole = take(loader(numbered, memory), 45)
    for step in (1, 18, 19, 40):
        assert take(loader(numbered, memory), 45 - step, step) == whole[step:]


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("world", [1, 2, 7])
def test_ranks_share_nothing_and_together_see_everything(
    numbered: Dataset, memory: int, world: int
) -> None:
    for epoch in (0, 3):
        ranks = [
            loader(numbered, memory, rank=rank, world=world).epoch_rows(epoch)
            for rank in range(world)
        ]
        assert all(abs(len(rows) - 600 / world) < 32 for rows in ranks)
        assert sorted(np.concatenate(ranks).tolist()) == list(range(600))


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("world", [2, 5])
def test_a_global_batch_is_the_same_for_any_number_of_ranks(
    numbered: Dataset, memory: int, world: int
) -> None:
    alone = loader(numbered, memory, batch=40).batches(13)
    ranks = [
        loader(numbered, memory, batch=40 // world, rank=rank, world=world).batches(13)
        for rank in range(world)
    ]
    for _ in range(20):
        pixels, labels = next(alone)
        parts = [next(batches) for batches in ranks]
        assert np.array_equal(np.concatenate([part[0] for part in parts]), pixels)
        assert np.array_equal(np.concatenate([part[1] for part in parts]), labels)


@pytest.mark.parametrize("memory", MEMORY)
def test_batches_are_the_epochs_end_to_end(numbered: Dataset, memory: int) -> None:
    made = loader(numbered, memory, rank=1, world=2)
    pixels, labels = numbered.read("train")
    order = np.concatenate([made.epoch_rows(epoch) for epoch in range(3)])
    for step, (images, names) in enumerate(itertools.islice(made.batches(0), 25)):
        rows = order[step * 32 : step * 32 + 32]
        assert images.shape == (32, 8, 8, 1)
        assert np.array_equal(images, pixels[rows])
        assert np.array_equal(names, labels[rows])


@pytest.mark.parametrize("memory", MEMORY)
def test_epochs_and_seeds_differ(numbered: Dataset, memory: int) -> None:
    made = loader(numbered, memory)
    assert not np.array_equal(made.epoch_rows(0), made.epoch_rows(1))
    other = loader(numbered, memory, seed=1)
    assert not np.array_equal(made.epoch_rows(0), other.epoch_rows(0))


def test_streaming_mixes_blocks_and_classes(numbered: Dataset) -> None:
    _, labels = next(loader(numbered, MEMORY[1], batch=60).batches(0))
    assert min(np.bincount(labels, minlength=3)) >= 8


@pytest.mark.parametrize("memory", MEMORY)
def test_a_batch_may_be_larger_than_an_epoch(numbered: Dataset, memory: int) -> None:
    made = loader(numbered, memory, batch=1500)
    pixels, _ = next(made.batches(0))
    counts = np.unique(pixels.reshape(1500, -1), axis=0, return_counts=True)[1]
    assert len(counts) == 600
    assert set(counts.tolist()) <= {2, 3}


def test_more_workers_than_images_is_refused(numbered: Dataset) -> None:
    with pytest.raises(DataError, match="cannot feed 601 workers"):
        Loader(numbered, "train", 8, seed=0, rank=0, world=601)


@pytest.mark.parametrize("memory", MEMORY)
def test_a_balanced_epoch_shows_small_classes_more_often(uneven: Dataset, memory: int) -> None:
    _, labels = uneven.read("train")
    whole = [labels[loader(uneven, memory, class_balance=b).epoch_rows(2)] for b in (0.0, 0.5, 1.0)]
    assert [np.bincount(part).tolist() for part in whole] == [[80, 20, 5], [80, 40, 20], [80] * 3]
    made = loader(uneven, memory, class_balance=1.0)
    assert set(made.epoch_rows(0).tolist()) == set(range(105))
    assert take(made, 12)[5:] == take(made, 7, 5)
