from __future__ import annotations

import numpy as np
import pytest
import torch

from aigc.errors import StoreError
from aigc.families.protocol import InferenceConfig, Points
from aigc.generation.engine import Engine
from aigc.job.keys import SampleKeys
from aigc.modalities.image.delivery import Format
from aigc.service.renderer import Renderer, sample_keys
from tests.keys_for_tests import keys
from tests.models_for_tests import tiny_config, tiny_tensors


def some(count: int) -> SampleKeys:
    numbers = np.arange(count)
    return keys(numbers, numbers % 4, seed=3)


def test_narrow_passes_give_the_pixels_of_the_full_micro_batch() -> None:
    config = tiny_config()
    engine = Engine(config, tiny_tensors(config), InferenceConfig(64))
    renderer = Renderer(engine, config)
    expected = engine.render(some(64)).items
    for count in (1, 3, 4, 5, 17, 33, 64):
        np.testing.assert_array_equal(renderer.samples(some(count)).items, expected[:count])


def test_a_pass_that_rounds_otherwise_is_not_used() -> None:
    config = tiny_config()

    class Rounding(Engine):
        def outputs(self, source: SampleKeys | Points) -> torch.Tensor:
            found = super().outputs(source)
            return found * (1 + 1e-7) if self.inference.micro_batch == 8 else found

    engine = Rounding(config, tiny_tensors(config), InferenceConfig(32))
    widths = [found.inference.micro_batch for found in Renderer(engine, config).engines]
    assert 8 not in widths
    assert widths[-1] == 32


def test_a_model_without_numbers_is_refused() -> None:
    config = tiny_config()
    tensors = tiny_tensors(config)
    tensors["sampler.root.weight"][0, 0] = torch.nan
    with pytest.raises(StoreError, match="not finite"):
        Renderer(Engine(config, tensors, InferenceConfig(8)), config)


def test_degenerate_pictures_are_counted_and_delivered() -> None:
    config = tiny_config()
    tensors = tiny_tensors(config)
    last = max(name for name in tensors if name.startswith("sampler.layers") and "weight" in name)
    tensors[last].zero_()
    rendered = Renderer(Engine(config, tensors, InferenceConfig(8)), config).make(
        some(5), [(3, Format(28, 28)), (2, Format(8, 8, "jpeg"))]
    )
    assert rendered.degenerate == {"blank": 5}
    assert [file[:3] for file in rendered.files] == [b"\x89PN"] * 3 + [b"\xff\xd8\xff"] * 2


def test_the_probe_has_every_label() -> None:
    assert set(sample_keys(tiny_config(), 8, seed=0).conditions["label"].tolist()) == {0, 1, 2, 3}


def test_large_pictures_weigh_more() -> None:
    assert Format(28, 28).weight == 1
    assert Format(1024, 1024).weight == 64


def test_slow_models_are_probed_for_a_limited_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The narrowest pass first, since single items gain most from it."""
    monkeypatch.setattr("aigc.service.renderer._PROBE_S", -1.0)
    config = tiny_config()
    renderer = Renderer(Engine(config, tiny_tensors(config), InferenceConfig(64)), config)
    assert renderer.widths == [4]
