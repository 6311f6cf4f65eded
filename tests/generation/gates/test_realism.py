from __future__ import annotations

import numpy as np
import pytest
import torch

from aigc.data.dataset import open_dataset
from aigc.errors import SpecError
from aigc.families.config import ModelConfig
from aigc.families.networks import load_discriminator
from aigc.families.protocol import Scores, Tensors
from aigc.generation.gates import realism
from aigc.generation.gates.realism import ByDensity, ByModel
from aigc.job.keys import Samples
from aigc.modalities import MODALITIES
from aigc.modalities.image import to_network
from aigc.modalities.image.features import efficientnet_lite0
from tests.generation.gates.pictures import chosen, loaded, pictures, some
from tests.models_for_tests import tiny_config, tiny_tensors

CONFIG = tiny_config()
TENSORS = tiny_tensors(CONFIG)


def by_model(config: ModelConfig, tensors: Tensors) -> ByModel:
    generator = loaded(config, tensors)
    assert isinstance(generator, Scores)
    return ByModel(generator, MODALITIES["image"].learning)


@pytest.fixture(scope="module")
def by_density(digits_data: str) -> ByDensity:
    return ByDensity(open_dataset(digits_data), "cpu")


def test_the_score_is_the_discriminators_logit_for_the_class() -> None:
    batch = some(5)
    network = load_discriminator(CONFIG, TENSORS)
    labels = batch.conditions["label"]
    logits = network(to_network(batch.items), torch.from_numpy(labels))
    scores = by_model(CONFIG, TENSORS)(batch)
    np.testing.assert_allclose(scores, logits, rtol=1e-4)
    others = Samples(batch.items, {"label": (labels + 1) % 4}, batch.finite)
    assert not np.allclose(by_model(CONFIG, TENSORS)(others), scores)


def test_an_unconditional_discriminator_needs_no_label() -> None:
    config = tiny_config(labels=())
    batch = pictures(some(3).items)
    assert by_model(config, tiny_tensors(config))(batch).shape == (3,)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_score_is_the_same_bits_whoever_is_judged_beside(threads: int) -> None:
    batch, before = some(150, seed=3), torch.get_num_threads()
    score = by_model(CONFIG, TENSORS)
    together = score(batch)
    order = np.random.default_rng(0).permutation(150)
    torch.set_num_threads(threads)
    np.testing.assert_array_equal(score(chosen(batch, order)), together[order])
    alone = np.concatenate([score(chosen(batch, [row])) for row in range(0, 150, 10)])
    torch.set_num_threads(before)
    np.testing.assert_array_equal(alone, together[::10])


def test_density_too_is_the_same_bits(by_density: ByDensity) -> None:
    batch = some(70, seed=3)
    together = by_density(batch)
    order = np.random.default_rng(0).permutation(70)
    np.testing.assert_array_equal(by_density(chosen(batch, order)), together[order])
    np.testing.assert_array_equal(by_density(chosen(batch, [69])), together[69:])


def test_density_is_equation_3_over_the_denser_half(
    digits_data: str, by_density: ByDensity
) -> None:
    data = open_dataset(digits_data)
    probe = data.read("test")[0][:6]
    extractor = efficientnet_lite0("cpu")
    real = extractor(data.read("train")[0]).astype(np.float64)
    seen = extractor(probe).astype(np.float64)
    assert len(real) < realism._REFERENCE_ITEMS
    squares = (real**2).sum(1)
    gaps = np.sqrt(np.maximum(squares[:, None] + squares - 2 * real @ real.T, 0))
    reach = np.sort(gaps, axis=1)[:, 3]
    dense = reach <= np.median(reach)
    ratios = reach[dense] / np.linalg.norm(seen[:, None] - real[None, dense], axis=2)
    np.testing.assert_allclose(by_density(pictures(probe)), ratios.max(1), rtol=2e-3)


def test_real_pictures_score_above_noise(digits_data: str, by_density: ByDensity) -> None:
    real = by_density(pictures(open_dataset(digits_data).read("test")[0][:60]))
    noise = by_density(some(60))
    assert np.median(real) > 1.5 * np.median(noise)
    assert real.min() > noise.max()


def test_what_is_no_number_has_no_score() -> None:
    batch = some(3)
    broken = Samples(batch.items, batch.conditions, np.array([True, False, True]))
    scores = by_model(CONFIG, TENSORS)(broken)
    assert np.isnan(scores).tolist() == [False, True, False]


def test_a_handful_of_training_images_is_no_density(digits_data: str) -> None:
    data = open_dataset(digits_data)
    few = type(data)(data.uri, data.info | {"counts": {"train": 3, "test": 1}})
    with pytest.raises(SpecError, match=r"gates\.realism\.data = .* more than 3 training"):
        ByDensity(few, "cpu")
