from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aigc.data.dataset import open_dataset
from aigc.errors import JobError, SpecError
from aigc.generation.gates import GateSet, load_gates, require, resolve
from aigc.job.keys import Samples
from aigc.models import ModelConfig
from aigc.specs import DegenerateGate, Gates, MemorisationGate, RealismGate, VaeModel
from tests.generation.gates.pictures import chosen, pictures, some
from tests.models_for_tests import tiny_config, tiny_tensors

CONFIG = tiny_config()
TENSORS = tiny_tensors(CONFIG)
SAMPLER_ONLY = {name: value for name, value in TENSORS.items() if name.startswith("sampler.")}


def vae() -> ModelConfig:
    return CONFIG.model_copy(update={"architecture": VaeModel(latent_dim=16, width=4)})


def judge(include_scores: bool = False, **fields: Any) -> GateSet:
    return load_gates(Gates(**fields), include_scores, CONFIG, TENSORS)


def test_the_first_gate_that_refuses_gives_the_reason(digits_data: str) -> None:
    copies = open_dataset(digits_data).read("train", 3)[0]
    pixels = np.concatenate([copies, some(2).pixels, np.zeros((1, 16, 16, 1), np.uint8)])
    batch = Samples(pixels, np.zeros(6, np.int64), np.array([True] * 5 + [False]))
    memorised = MemorisationGate(data=digits_data)
    verdict = judge(degenerate=DegenerateGate(), memorisation=memorised)(batch)
    assert verdict.reasons == ["memorised"] * 3 + [None, None, "not_finite"]
    assert verdict.keep.tolist() == [False] * 3 + [True, True, False]
    assert verdict.scores == {}
    everything = RealismGate(threshold=1e9)
    verdict = judge(degenerate=DegenerateGate(), realism=everything, memorisation=memorised)(batch)
    assert verdict.reasons == ["realism"] * 5 + ["not_finite"]


def test_a_percentile_becomes_a_threshold_that_refuses_that_share() -> None:
    asked = Gates(realism=RealismGate(percentile=20))
    resolved = resolve(asked, CONFIG, TENSORS, some(500, seed=1))
    assert resolved.realism is not None
    assert resolved.realism.percentile is None
    assert Gates.model_validate_json(resolved.model_dump_json()) == resolved
    found = load_gates(resolved, False, CONFIG, TENSORS)
    assert found(some(500, seed=1)).keep.mean() == pytest.approx(0.8, abs=0.002)
    fresh = found(some(1000, seed=2))
    assert fresh.keep.mean() == pytest.approx(0.8, abs=0.05)
    np.testing.assert_array_equal(
        fresh.keep, fresh.scores["realism"] >= np.float32(resolved.realism.threshold or 0)
    )


def test_the_verdict_does_not_depend_on_the_batch(digits_data: str) -> None:
    asked = Gates(
        degenerate=DegenerateGate(),
        realism=RealismGate(percentile=50),
        memorisation=MemorisationGate(data=digits_data, rmse=30),
    )
    batch = pictures(open_dataset(digits_data).read("test")[0][:100], np.arange(100) % 4)
    found = load_gates(resolve(asked, CONFIG, TENSORS, batch), False, CONFIG, TENSORS)
    together = found(batch)
    assert set(together.reasons) >= {"realism", "memorised"}
    order = np.random.default_rng(1).permutation(100)
    assert found(chosen(batch, order)).reasons == [together.reasons[row] for row in order]
    parts = [found(chosen(batch, rows)) for rows in np.array_split(np.arange(100), 7)]
    assert [reason for part in parts for reason in part.reasons] == together.reasons


def test_gates_without_percentile_are_left_as_they_are() -> None:
    asked = Gates(realism=RealismGate(threshold=0.5), degenerate=DegenerateGate())
    assert resolve(asked, CONFIG, {}, some(1)) is asked
    assert resolve(Gates(), CONFIG, {}, some(1)) == Gates()


def test_scores_alone_refuse_nothing() -> None:
    verdict = judge(include_scores=True)(some(5))
    assert verdict.keep.all()
    assert verdict.reasons == [None] * 5
    assert np.isfinite(verdict.scores["realism"]).all()


@pytest.mark.parametrize("config", [CONFIG, vae()], ids=["older gan", "vae"])
def test_a_model_without_discriminator_has_no_scores(config: ModelConfig) -> None:
    assert load_gates(Gates(), True, config, SAMPLER_ONLY)(some(2)).scores == {}
    asked = Gates(realism=RealismGate(threshold=0))
    for check in (load_gates, require):
        with pytest.raises(SpecError, match=r"gates\.realism\.score = discriminator: .*density"):
            check(asked, False, config, SAMPLER_ONLY)


def test_density_serves_a_vae(digits_data: str) -> None:
    asked = Gates(realism=RealismGate(score="density", data=digits_data, threshold=0.5))
    require(asked, False, vae(), SAMPLER_ONLY)
    found = load_gates(asked, False, vae(), SAMPLER_ONLY)
    assert found(pictures(open_dataset(digits_data).read("test")[0][:5])).keep.all()
    assert not found(some(5)).keep.any()


def test_a_data_set_that_is_not_there_is_named_with_its_field() -> None:
    memorisation = Gates(memorisation=MemorisationGate(data="/nowhere"))
    density = Gates(realism=RealismGate(score="density", data="/nowhere", threshold=1))
    for asked, field in ((memorisation, "memorisation"), (density, "realism")):
        expected = rf"^gates\.{field}\.data = /nowhere: no prepared data set here"
        with pytest.raises(SpecError, match=expected) as caught:
            load_gates(asked, False, CONFIG, TENSORS)
        assert "\n" not in str(caught.value)
        with pytest.raises(SpecError, match=expected):
            require(asked, False, CONFIG, TENSORS)


def test_a_model_that_makes_no_numbers_has_no_percentile() -> None:
    broken = Samples(some(3).pixels, None, np.zeros(3, bool))
    with pytest.raises(JobError, match="none of the model's images has a finite score"):
        resolve(Gates(realism=RealismGate(percentile=5)), CONFIG, TENSORS, broken)


def test_an_open_percentile_is_refused() -> None:
    with pytest.raises(SpecError, match="not resolved"):
        judge(realism=RealismGate(percentile=5))
