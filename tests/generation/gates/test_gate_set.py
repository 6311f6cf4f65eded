from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch import Tensor

from aigc.data.dataset import open_dataset
from aigc.errors import JobError, SpecError
from aigc.families.config import ModelConfig
from aigc.generation.gates import GateSet, load_gates, require, resolve
from aigc.job.keys import Samples
from aigc.modalities import MODALITIES
from aigc.specs import DegenerateGate, Gates, MemorisationGate, RealismGate
from tests.generation.gates.pictures import chosen, loaded, pictures, some
from tests.models_for_tests import tiny_config, tiny_tensors, tiny_vae

CONFIG = tiny_config()
TENSORS = tiny_tensors(CONFIG)
GENERATOR = loaded(CONFIG, TENSORS)
DELIVERY = MODALITIES["image"].delivery


def gate_set(include_scores: bool = False, **fields: Any) -> GateSet:
    return load_gates(Gates(**fields), include_scores, GENERATOR, DELIVERY)


def test_the_first_gate_that_refuses_gives_the_reason(digits_data: str) -> None:
    copies = open_dataset(digits_data).read("train", 3)[0]
    pixels = np.concatenate([copies, some(2).items, np.zeros((1, 16, 16, 1), np.uint8)])
    batch = Samples(pixels, {"label": np.zeros(6, np.int64)}, np.array([True] * 5 + [False]))
    memorised = MemorisationGate(data=digits_data)
    result = gate_set(degenerate=DegenerateGate(), memorisation=memorised)(batch)
    assert result.reasons == ["memorised"] * 3 + [None, None, "not_finite"]
    assert result.keep.tolist() == [False] * 3 + [True, True, False]
    assert result.scores == {}
    everything = RealismGate(threshold=1e9)
    result = gate_set(degenerate=DegenerateGate(), realism=everything, memorisation=memorised)(
        batch
    )
    assert result.reasons == ["realism"] * 5 + ["not_finite"]


def test_a_percentile_becomes_a_threshold_that_refuses_that_share() -> None:
    asked = Gates(realism=RealismGate(percentile=20))
    resolved = resolve(asked, GENERATOR, some(500, seed=1))
    assert resolved.realism is not None
    assert resolved.realism.percentile is None
    assert Gates.model_validate_json(resolved.model_dump_json()) == resolved
    found = load_gates(resolved, False, GENERATOR, DELIVERY)
    assert found(some(500, seed=1)).keep.mean() == pytest.approx(0.8, abs=0.002)
    fresh = found(some(1000, seed=2))
    assert fresh.keep.mean() == pytest.approx(0.8, abs=0.05)
    np.testing.assert_array_equal(
        fresh.keep, fresh.scores["realism"] >= np.float32(resolved.realism.threshold or 0)
    )


def test_the_result_does_not_depend_on_the_batch(digits_data: str) -> None:
    asked = Gates(
        degenerate=DegenerateGate(),
        realism=RealismGate(percentile=50),
        memorisation=MemorisationGate(data=digits_data, rmse=30),
    )
    batch = pictures(open_dataset(digits_data).read("test")[0][:100], np.arange(100) % 4)
    found = load_gates(resolve(asked, GENERATOR, batch), False, GENERATOR, DELIVERY)
    together = found(batch)
    assert set(together.reasons) >= {"realism", "memorised"}
    order = np.random.default_rng(1).permutation(100)
    assert found(chosen(batch, order)).reasons == [together.reasons[row] for row in order]
    parts = [found(chosen(batch, rows)) for rows in np.array_split(np.arange(100), 7)]
    assert [reason for part in parts for reason in part.reasons] == together.reasons


def test_gates_without_percentile_are_left_as_they_are() -> None:
    asked = Gates(realism=RealismGate(threshold=0.5), degenerate=DegenerateGate())
    assert resolve(asked, GENERATOR, some(1)) is asked
    assert resolve(Gates(), GENERATOR, some(1)) == Gates()


def test_scores_alone_refuse_nothing() -> None:
    result = gate_set(include_scores=True)(some(5))
    assert result.keep.all()
    assert result.reasons == [None] * 5
    assert np.isfinite(result.scores["realism"]).all()


@pytest.mark.parametrize(
    ("config", "tensors"), [(CONFIG, TENSORS), tiny_vae()], ids=["older gan", "vae"]
)
def test_a_model_without_discriminator_has_no_scores(
    config: ModelConfig, tensors: dict[str, Tensor]
) -> None:
    generator = loaded(config, {n: t for n, t in tensors.items() if n.startswith("sampler.")})
    assert load_gates(Gates(), True, generator, DELIVERY)(some(2)).scores == {}
    asked = Gates(realism=RealismGate(threshold=0))
    expected = r"gates\.realism\.score = discriminator: .*density"
    with pytest.raises(SpecError, match=expected):
        load_gates(asked, False, generator, DELIVERY)
    with pytest.raises(SpecError, match=expected):
        require(asked, False, lambda: generator)
    with pytest.raises(SpecError, match="include = scores: the model has no discriminator"):
        require(Gates(), True, lambda: generator)


def test_density_serves_a_vae(digits_data: str) -> None:
    asked = Gates(realism=RealismGate(score="density", data=digits_data, threshold=0.5))
    generator = loaded(*tiny_vae())
    require(asked, False, lambda: generator)
    found = load_gates(asked, False, generator, DELIVERY)
    assert found(pictures(open_dataset(digits_data).read("test")[0][:5])).keep.all()
    assert not found(some(5)).keep.any()


def test_a_data_set_that_is_not_there_is_named_with_its_field() -> None:
    memorisation = Gates(memorisation=MemorisationGate(data="/nowhere"))
    density = Gates(realism=RealismGate(score="density", data="/nowhere", threshold=1))
    for asked, field in ((memorisation, "memorisation"), (density, "realism")):
        expected = rf"^gates\.{field}\.data = /nowhere: no prepared data set here"
        with pytest.raises(SpecError, match=expected) as caught:
            load_gates(asked, False, GENERATOR, DELIVERY)
        assert "\n" not in str(caught.value)
        with pytest.raises(SpecError, match=expected):
            require(asked, False, lambda: GENERATOR)


def test_a_model_that_makes_no_numbers_has_no_percentile() -> None:
    broken = Samples(some(3).items, {}, np.zeros(3, bool))
    with pytest.raises(JobError, match="none of the model's items has a finite score"):
        resolve(Gates(realism=RealismGate(percentile=5)), GENERATOR, broken)


def test_an_open_percentile_is_refused() -> None:
    with pytest.raises(SpecError, match="not resolved"):
        gate_set(realism=RealismGate(percentile=5))
