"""Networks learn sounds as spectrograms, and what is published makes sounds again."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aigc.data.dataset import Dataset, open_dataset
from aigc.data.opening import open_source
from aigc.data.prepare import prepare
from aigc.errors import JobError, SpecError
from aigc.evaluation import evaluate
from aigc.families.protocol import Encodes, InferenceConfig, Scores
from aigc.generation.engine import Engine
from aigc.job.keys import keys_of
from aigc.modalities.audio.spec import PrepareSounds
from aigc.specs import EvaluateSpec
from aigc.training.loop import train
from aigc.training.result import TrainResult
from aigc.training.runs import is_finished
from tests.training.helpers import tiny_spec

RATE = 8000
VAE = {
    "family": "vae",
    "networks": "residual",
    "likelihood": "pyramid",
    "latent_dim": 8,
    "width": 8,
    "prior": "neighbours",
    "adversary": {"augment": ["delay", "level"]},
}
GAN = {
    "family": "gan",
    "generator": "residual",
    "discriminator": "residual",
    "latent_dim": 8,
    "width": 8,
    "augment": ["delay", "level"],
}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A prepared data set of 240 sounds of a quarter of a second: low, high and noise."""
    soundfile = pytest.importorskip("soundfile")
    folder: Path = tmp_path_factory.mktemp("sounds")
    rng, time = np.random.default_rng(0), np.arange(RATE // 4) / RATE
    for number in range(240):
        label = ("low", "high", "noise")[number % 3]
        pitch = rng.uniform(80, 400) if label == "low" else rng.uniform(1200, 3000)
        plain = (
            rng.standard_normal(len(time)) / 3
            if label == "noise"
            else np.sin(2 * np.pi * pitch * time)
        )
        (folder / "raw" / label).mkdir(parents=True, exist_ok=True)
        samples = 0.8 * np.clip(plain, -1, 1) * np.exp(-rng.uniform(8, 30) * time)
        soundfile.write(folder / "raw" / label / f"{number}.wav", samples, RATE)
    spec = PrepareSounds(
        source=str(folder / "raw"), out=str(folder / "data"), seconds=0.25, rate=RATE,
        test_fraction=0.25, near_duplicates="keep",
    )  # fmt: skip
    prepare(spec, open_source(spec))
    return spec.out


def trained(sounds: str, out: Path, model: dict[str, Any], **changes: Any) -> TrainResult:
    return train(tiny_spec(sounds, out, model=model, steps=6, **changes))


def test_a_gan_and_a_vae_learn_sounds_and_make_them_again(sounds: str, tmp_path: Path) -> None:
    dataset = open_dataset(sounds)
    for name, model in (("gan", GAN), ("vae", VAE)):
        result = trained(sounds, tmp_path / name, model)
        assert result.config.item == dataset.item
        assert result.samples_png.startswith(b"\x89PNG")
        engine = Engine(result.config, result.tensors, InferenceConfig(micro_batch=4))
        keys = keys_of(3, np.arange(7), {"label": np.arange(7) % 3})
        outputs = engine.outputs(keys)
        assert outputs.shape == (7, 1, RATE // 4)
        assert outputs.abs().max() <= 1
        alone = engine.outputs(keys_of(3, np.array([5]), {"label": np.array([2])}))
        assert torch.equal(alone[0], outputs[5])
        if name == "vae":
            _reads_sounds(engine, dataset, result)


def _reads_sounds(engine: Engine, dataset: Dataset, result: TrainResult) -> None:
    from aigc.conditions import conditions_of

    items, labels = dataset.read("test", 4)
    tensors, generator = result.config.learning.tensors(items), engine.generator
    given = conditions_of({"label": labels}, 4)
    assert isinstance(generator, Encodes)
    assert generator.encode(tensors, given).shape == (4, 8)
    assert isinstance(generator, Scores)
    assert generator.score(tensors, given).isfinite().all()


def test_a_run_of_sounds_resumes_to_the_same_bits(sounds: str, tmp_path: Path) -> None:
    whole = trained(sounds, tmp_path / "whole", VAE)
    part = tiny_spec(sounds, tmp_path / "part", model=VAE, steps=6)
    asked = itertools.count()
    with pytest.raises(JobError, match="stopped at step 3"):
        train(part, stop=lambda: next(asked) >= 3)
    resumed = train(part)
    assert all(torch.equal(value, resumed.tensors[name]) for name, value in whole.tensors.items())


def test_a_run_of_sounds_is_looked_at(sounds: str, tmp_path: Path) -> None:
    watch = {"enabled": True, "samples": 50, "publish_collapsed": True}
    result = trained(sounds, tmp_path / "watched", VAE, watch=watch)
    assert {"held_out_kid", "held_out_recall"} <= set(result.metrics)
    assert result.metrics["watch"]["last"]["figures"]["class_spread"] > 0


def test_evaluation_has_features_of_the_data_and_says_so(sounds: str, tmp_path: Path) -> None:
    """Training sounds in the samples' place reach the floor; noise does not."""
    dataset = open_dataset(sounds)
    spec = EvaluateSpec(model="m", data=sounds, out=str(tmp_path / "e"), samples=100)
    real, labels = dataset.read("train", 100)
    good = evaluate(real, labels, dataset, spec)
    noise = np.random.default_rng(0).integers(-9000, 9000, real.shape).astype(np.int16)
    bad = evaluate(noise, labels, dataset, spec)
    figures = good.figures["figures"]
    assert (
        figures["fd"]["model"] < 3 * figures["fd"]["floor"] < bad.figures["figures"]["fd"]["model"]
    )
    assert bad.figures["collapse"]["verdict"].startswith("suspected")
    assert good.figures["memorisation"]["verdict"].startswith("suspected")
    assert good.figures["protocol"]["extractor"].startswith("spectrogram-classifier-")
    assert any("learnt to tell the classes" in note for note in good.figures["notes"])
    assert "0.31-dB levels" in good.figures["memorisation"]["distance_unit"]
    assert good.page("sounds", "a test").startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flip": True}, "flip = true: sounds cannot be mirrored; leave it out"),
        (
            {"model": GAN | {"augment": ["brightness"]}},
            "model.augment = brightness: not for sounds; choose from delay, level, mute",
        ),
        (
            {"model": VAE | {"adversary": {"augment": ["cutout"]}}},
            "model.adversary.augment = cutout: not for sounds; choose from delay, level, mute",
        ),
    ],
)
def test_what_does_not_suit_sounds_is_named_before_training(
    sounds: str, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError) as raised:
        is_finished(tiny_spec(sounds, tmp_path, **changes))
    assert str(raised.value) == message
