from __future__ import annotations

import numpy as np
import pytest
import torch

from aigc.generation.engine import Engine, InferenceConfig
from aigc.job.keys import SampleKeys
from tests.models_for_tests import LABELS, tiny_config, tiny_tensors, tiny_vae


def make_engine(labels=LABELS, channels: int = 1, **options) -> Engine:
    config = tiny_config(labels=labels, channels=channels)
    return Engine(config, tiny_tensors(config), InferenceConfig(micro_batch=8, **options))


def make_draws(candidates, labels=LABELS, seed: int = 3) -> SampleKeys:
    numbers = np.asarray(candidates, dtype=np.int64)
    return SampleKeys(
        seeds=np.full(len(numbers), seed, np.uint64),
        candidates=numbers,
        labels=numbers % len(labels) if labels else None,
        truncations=np.full(len(numbers), np.inf),
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_candidates_pixels_do_not_depend_on_what_is_rendered_beside_it(
    precision, channels
) -> None:
    engine = make_engine(channels=channels, precision=precision)
    draws = make_draws(range(40))
    pixels = engine.render(draws).pixels
    assert pixels.shape == (40, 16, 16, channels)
    assert pixels.dtype == np.uint8
    random = np.random.default_rng(0)
    for size in (1, 2, 7, 8, 9, 23, 40):
        rows = random.permutation(40)[:size]
        assert np.array_equal(engine.render(draws[rows]).pixels, pixels[rows])


@pytest.mark.parametrize("labels", [LABELS, ()])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_nor_does_it_behind_a_fitted_prior(precision, labels) -> None:
    config, tensors = tiny_vae(labels)
    engine = Engine(config, tensors, InferenceConfig(micro_batch=8, precision=precision))
    draws = make_draws(range(40), labels=labels)
    pixels = engine.render(draws).pixels
    random = np.random.default_rng(0)
    for size in (1, 7, 9, 40):
        rows = random.permutation(40)[:size]
        assert np.array_equal(engine.render(draws[rows]).pixels, pixels[rows])
    again = Engine(config, tensors, InferenceConfig(micro_batch=8, precision=precision))
    assert np.array_equal(again.render(draws).pixels, pixels)
    plain = {name: value for name, value in tensors.items() if ".prior." not in name}
    bare = Engine(config, plain, InferenceConfig(micro_batch=8, precision=precision))
    assert not (bare.render(draws).pixels == pixels).all(axis=(1, 2, 3)).any()


def test_truncation_moves_items_behind_a_prior_without_making_them_alike() -> None:
    engine = Engine(*tiny_vae(), InferenceConfig(micro_batch=8))
    draws = make_draws(range(32))
    cut = SampleKeys(draws.seeds, draws.candidates, draws.labels, np.full(32, 0.5))
    pixels = engine.render(cut).pixels
    assert not np.array_equal(pixels, engine.render(draws).pixels)
    assert len(np.unique(pixels.reshape(32, -1), axis=0)) == 32


def test_threads_do_not_change_pixels() -> None:
    engine, before = make_engine(), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = engine.render(make_draws(range(32)))
        torch.set_num_threads(2)
        two = engine.render(make_draws(range(32)))
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(one.pixels, two.pixels)


def test_candidates_differ_and_a_label_changes_the_picture() -> None:
    engine = make_engine()
    pixels = engine.render(make_draws(range(32))).pixels
    assert len(np.unique(pixels.reshape(32, -1), axis=0)) == 32
    asked = make_draws([0])
    other = SampleKeys(asked.seeds, asked.candidates, np.array([1]), asked.truncations)
    assert not np.array_equal(engine.render(other).pixels[0], pixels[0])


def test_an_unconditional_model_renders_without_labels() -> None:
    pictures = make_engine(labels=()).render(make_draws(range(9), labels=()))
    assert pictures.labels is None
    assert len(pictures) == 9


def test_a_network_that_gives_no_numbers_is_noticed() -> None:
    config = tiny_config()
    tensors = tiny_tensors(config)
    tensors["sampler.embed.weight"][2] = torch.nan
    pictures = Engine(config, tensors, InferenceConfig(micro_batch=8)).render(make_draws(range(8)))
    assert pictures.finite.tolist() == [True, True, False, True] * 2
