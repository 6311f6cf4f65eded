"""Settings of gates that would have no effect, and data that items cannot be compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aigc.data.dataset import open_dataset
from aigc.distributed.prepare import run
from aigc.errors import SpecError
from aigc.families.config import ModelConfig
from aigc.families.gan import GanModel
from aigc.families.origin import Origin
from aigc.families.package import PackageModel
from aigc.generation.gates import require_fitting
from aigc.generation.gates.memorisation import TrainingImages
from aigc.modalities import MODALITIES
from aigc.specs import Gates
from tests.modalities.audio import sounds
from tests.models_for_tests import tiny_config

IMAGES = tiny_config()
SOUNDS = ModelConfig(
    modality="audio", architecture=GanModel(), samples=2000, rate_hz=8000, channels=1
)
CHANGED = {"min_std": 3.0, "max_saturated": 0.5, "silence_db": -40.0, "max_clipped": 0.2}


@pytest.fixture(scope="module")
def hits(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A prepared data set of 24 drum-like sounds."""
    pytest.importorskip("soundfile")
    folder: Path = tmp_path_factory.mktemp("hits")
    sounds.folder(folder / "raw", {"kick": 12, "snare": 12})
    run(sounds.spec(folder / "raw", folder / "data"))
    return str(folder / "data")


def fit(config: ModelConfig, **gates: Any) -> None:
    require_fitting(Gates.model_validate(gates), config)


def refusal(config: ModelConfig, **gates: Any) -> str:
    with pytest.raises(SpecError) as caught:
        fit(config, **gates)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("config", [IMAGES, SOUNDS], ids=["images", "sounds"])
@pytest.mark.parametrize("name", CHANGED)
def test_limits_of_other_content_are_refused(config: ModelConfig, name: str) -> None:
    kind = MODALITIES[config.modality]
    own = {each: CHANGED[each] for each in kind.delivery.limits}
    fit(config, degenerate=own)
    fit(config, degenerate=True)
    if name in own:
        return
    reason = refusal(config, degenerate=own | {name: CHANGED[name]})
    assert reason == (
        f"gates.degenerate.{name} = {CHANGED[name]}: has no effect on {kind.title}, whose limits "
        f"are {' and '.join(own)}; leave it out"
    )


def test_a_resolved_spec_is_taken_again() -> None:
    for config in (IMAGES, SOUNDS):
        gates = Gates.model_validate({"degenerate": True, "duplicates": True})
        require_fitting(Gates.model_validate(gates.model_dump()), config)


def test_what_exact_duplicates_do_not_use_is_refused() -> None:
    fit(IMAGES, duplicates={"near": False})
    fit(IMAGES, duplicates={"distance": 4})
    reason = refusal(IMAGES, duplicates={"near": False, "distance": 4})
    assert reason.startswith("gates.duplicates.distance = 4: has no effect with near = false")


def test_data_that_the_discriminator_does_not_use_is_refused(digits_data: str) -> None:
    realism = {"threshold": 0, "data": digits_data}
    fit(IMAGES, realism=realism | {"score": "density"})
    reason = refusal(IMAGES, realism=realism)
    assert reason.startswith(f"gates.realism.data = {digits_data}: has no effect with score = disc")


def test_an_imported_model_is_told_what_it_can_do(digits_data: str) -> None:
    origin = Origin(name="cats.onnx", sha256="0" * 64)
    silent = PackageModel(imported=origin, generator="stripes:Stripes")
    able = silent.model_copy(update={"able": ("scores",)})
    plain, scoring = (IMAGES.model_copy(update={"architecture": each}) for each in (silent, able))
    fit(scoring, realism={"threshold": 0})
    fit(plain, realism={"threshold": 0, "score": "density", "data": digits_data})
    reason = refusal(plain, realism={"threshold": 0})
    assert "the imported model cats.onnx has no discriminator; set gates.realism.score" in reason
    assert "publish" not in reason


def test_data_of_other_content_is_refused(digits_data: str, hits: str) -> None:
    fit(SOUNDS, memorisation={"data": hits})
    reason = refusal(SOUNDS, memorisation={"data": digits_data})
    assert "holds images, while the model makes sounds" in reason
    reason = refusal(IMAGES, realism={"threshold": 0, "score": "density", "data": hits})
    assert "holds sounds, while the model makes images" in reason
    other = SOUNDS.model_copy(update={"rate_hz": 16_000})
    density = {"threshold": 0, "score": "density", "data": hits}
    fit(SOUNDS, realism=density)
    assert "prepare the data with seconds: 0.125, rate: 16000" in refusal(other, realism=density)


def test_copies_of_training_sounds_are_known_again(hits: str) -> None:
    dataset = open_dataset(hits)
    known = TrainingImages(dataset, 4.0)
    copies = dataset.read("train")[0]
    assert known.near(copies).all()
    assert known.near(np.rint(copies * 0.98).astype(np.int16)).all()
    others = np.stack([sounds.hit(seed, 0.25, 8000) for seed in range(100, 110)])
    assert not known.near(np.rint(others * 32767).astype(np.int16)).any()
