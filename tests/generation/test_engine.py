from __future__ import annotations

import numpy as np
import pytest
import torch

from aigc.families.protocol import InferenceConfig
from aigc.generation.engine import Engine
from aigc.job.keys import SampleKeys
from tests.keys_for_tests import keys
from tests.models_for_tests import LABELS, tiny_config, tiny_tensors, tiny_vae


def make_engine(labels=LABELS, channels: int = 1, **options) -> Engine:
    config = tiny_config(labels=labels, channels=channels)
    return Engine(config, tiny_tensors(config), InferenceConfig(micro_batch=8, **options))


def make_keys(counters, labels=LABELS, seed: int = 3, truncation=None) -> SampleKeys:
    numbers = np.asarray(counters, dtype=np.int64)
    return keys(numbers, numbers % len(labels) if labels else None, seed, truncation)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_candidates_pixels_do_not_depend_on_what_is_rendered_beside_it(
    precision, channels
) -> None:
    engine = make_engine(channels=channels, precision=precision)
    asked = make_keys(range(40))
    pixels = engine.render(asked).items
    assert pixels.shape == (40, 16, 16, channels)
    assert pixels.dtype == np.uint8
    random = np.random.default_rng(0)
    for size in (1, 2, 7, 8, 9, 23, 40):
        rows = random.permutation(40)[:size]
        assert np.array_equal(engine.render(asked[rows]).items, pixels[rows])


@pytest.mark.parametrize("labels", [LABELS, ()])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_nor_does_it_behind_a_fitted_prior(precision, labels) -> None:
    config, tensors = tiny_vae(labels)
    engine = Engine(config, tensors, InferenceConfig(micro_batch=8, precision=precision))
    asked = make_keys(range(40), labels=labels)
    pixels = engine.render(asked).items
    random = np.random.default_rng(0)
    for size in (1, 7, 9, 40):
        rows = random.permutation(40)[:size]
        assert np.array_equal(engine.render(asked[rows]).items, pixels[rows])
    again = Engine(config, tensors, InferenceConfig(micro_batch=8, precision=precision))
    assert np.array_equal(again.render(asked).items, pixels)
    plain = {name: value for name, value in tensors.items() if ".prior." not in name}
    bare = Engine(config, plain, InferenceConfig(micro_batch=8, precision=precision))
    assert not (bare.render(asked).items == pixels).all(axis=(1, 2, 3)).any()


def test_truncation_moves_items_behind_a_prior_without_making_them_alike() -> None:
    engine = Engine(*tiny_vae(), InferenceConfig(micro_batch=8))
    asked = make_keys(range(32))
    cut = make_keys(range(32), truncation=0.5)
    pixels = engine.render(cut).items
    assert not np.array_equal(pixels, engine.render(asked).items)
    assert len(np.unique(pixels.reshape(32, -1), axis=0)) == 32


def test_threads_do_not_change_pixels() -> None:
    engine, before = make_engine(), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = engine.render(make_keys(range(32)))
        torch.set_num_threads(2)
        two = engine.render(make_keys(range(32)))
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(one.items, two.items)


def test_candidates_differ_and_a_label_changes_the_picture() -> None:
    engine = make_engine()
    pixels = engine.render(make_keys(range(32))).items
    assert len(np.unique(pixels.reshape(32, -1), axis=0)) == 32
    other = keys([0], np.array([1]), seed=3)
    assert not np.array_equal(engine.render(other).items[0], pixels[0])


def test_an_unconditional_model_renders_without_labels() -> None:
    pictures = make_engine(labels=()).render(make_keys(range(9), labels=()))
    assert pictures.conditions == {}
    assert len(pictures) == 9


def test_a_network_that_gives_no_numbers_is_noticed() -> None:
    config = tiny_config()
    tensors = tiny_tensors(config)
    tensors["sampler.embed.weight"][2] = torch.nan
    pictures = Engine(config, tensors, InferenceConfig(micro_batch=8)).render(make_keys(range(8)))
    assert pictures.finite.tolist() == [True, True, False, True] * 2
