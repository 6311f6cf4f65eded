from __future__ import annotations

import numpy as np
import pytest
import torch

from aigc.generation.conditions import label_pattern
from aigc.generation.engine import Engine, Sampling
from tests.models_for_tests import LABELS, tiny_config, tiny_tensors


def make_engine(labels=LABELS, channels: int = 1, **options) -> Engine:
    config = tiny_config(labels=labels, channels=channels)
    sampling = Sampling(seed=3, pattern=label_pattern(labels, None), micro_batch=8, **options)
    return Engine(config, tiny_tensors(config), sampling)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_range_gives_the_same_pixels(precision, channels) -> None:
    engine = make_engine(channels=channels, precision=precision)
    pixels, labels = engine.images(0, 40)
    assert pixels.shape == (40, 16, 16, channels)
    assert pixels.dtype == np.uint8
    assert labels.tolist() == [0, 1, 2, 3] * 10
    for start, stop in [(0, 1), (7, 9), (13, 14), (5, 33), (32, 40)]:
        part, part_labels = engine.images(start, stop)
        assert np.array_equal(part, pixels[start:stop])
        assert np.array_equal(part_labels, labels[start:stop])


def test_threads_do_not_change_pixels() -> None:
    engine, before = make_engine(), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one, _ = engine.images(0, 32)
        torch.set_num_threads(2)
        two, _ = engine.images(0, 32)
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(one, two)


def test_items_differ_and_a_label_changes_the_picture() -> None:
    pixels, _ = make_engine().images(0, 32)
    assert len(np.unique(pixels.reshape(32, -1), axis=0)) == 32
    config = tiny_config()
    other = Sampling(seed=3, pattern=np.array([1]), micro_batch=8)
    relabelled, _ = Engine(config, tiny_tensors(config), other).images(0, 1)
    assert not np.array_equal(relabelled[0], pixels[0])


def test_an_unconditional_model_renders_without_labels() -> None:
    pixels, labels = make_engine(labels=()).images(0, 9)
    assert labels is None
    assert len(pixels) == 9


def test_parts_come_in_order_and_whole() -> None:
    parts = list(make_engine().render(3, 21))
    assert [part.start for part in parts] == [3, 8, 16]
    assert sum(len(part.pixels) for part in parts) == 18
