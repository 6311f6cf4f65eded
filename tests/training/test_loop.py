from __future__ import annotations

import io
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from aigc.errors import JobError, SpecError
from aigc.models import ModelConfig, PriorSampler, load_discriminator, load_encoder, load_sampler
from aigc.training import is_finished, train
from aigc.training.sheets import Sheet
from tests.training.helpers import tiny_spec

PLAIN_GAN: dict[str, Any] = {"family": "gan", "latent_dim": 8, "width": 8}
VAE: dict[str, Any] = {"family": "vae", "latent_dim": 8, "width": 8}
RAMPED = VAE | {"free_bits": 0.05, "kl_warmup_images": 150}


def stop_after(steps: int) -> Any:
    asked = iter(range(10**9))
    return lambda: next(asked) >= steps


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("model", [PLAIN_GAN, RAMPED], ids=["gan", "vae"])
def test_an_interrupted_run_equals_a_straight_one_bit_by_bit(
    digits_data: str, tmp_path: Path, model: dict[str, Any]
) -> None:
    straight = train(tiny_spec(digits_data, tmp_path / "straight", model=model))
    spec = tiny_spec(digits_data, tmp_path / "resumed", model=model)
    for steps in (5, 3):
        with pytest.raises(JobError, match="stopped at step"):
            train(spec, stop=stop_after(steps))
    resumed = train(spec)
    assert resumed.steps_run == 4
    assert same(straight.tensors, resumed.tensors)
    assert straight.samples_png == resumed.samples_png


def test_what_a_run_leaves_behind(digits_data: str, tmp_path: Path) -> None:
    seen: list[float] = []
    result = train(
        tiny_spec(digits_data, tmp_path), report=lambda done, total, **_: seen.append(done / total)
    )
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [4, 8, 12]
    assert {"d_loss", "g_loss", "spread", "images_per_s"} <= lines[0].keys()
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == [
        "step-000000006.png",
        "step-000000012.png",
    ]
    assert list((tmp_path / "tensorboard").iterdir())
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1
    assert seen[-1] == 1
    assert result.metrics["images"] == 12 * 16
    assert Image.open(io.BytesIO(result.samples_png)).width > 300
    pictures = load_sampler(result.config, result.tensors)(
        torch.randn(3, 8), torch.tensor([0, 1, 2])
    )
    assert pictures.shape == (3, 1, 16, 16)
    judge = load_discriminator(result.config, result.tensors)
    assert judge(pictures, torch.tensor([0, 1, 2])).shape == (3,)


def test_a_finished_run_does_nothing_until_the_limit_is_raised(
    digits_data: str, tmp_path: Path
) -> None:
    spec = tiny_spec(digits_data, tmp_path, steps=4)
    assert not is_finished(spec)
    first = train(spec)
    assert is_finished(spec)
    again = train(spec)
    assert again.steps_run == 0
    assert same(first.tensors, again.tensors)
    assert train(tiny_spec(digits_data, tmp_path, steps=6)).steps_run == 2


def test_other_settings_on_the_same_folder_are_refused(digits_data: str, tmp_path: Path) -> None:
    train(tiny_spec(digits_data, tmp_path, steps=2))
    with pytest.raises(SpecError, match=r"lr: 0\.0015 there, 0\.001 here"):
        train(tiny_spec(digits_data, tmp_path, steps=2, lr=1e-3))
    with pytest.raises(SpecError, match=r"model\.width: 8 there, 16 here"):
        is_finished(
            tiny_spec(digits_data, tmp_path, model=PLAIN_GAN | {"width": 16, "penalty_every": 2})
        )


def test_a_damaged_checkpoint_is_passed_over(digits_data: str, tmp_path: Path) -> None:
    spec = tiny_spec(digits_data, tmp_path, checkpoint_every_s=1e-6, keep_checkpoints=3)
    straight = train(spec)
    newest = max((tmp_path / "checkpoints").iterdir())
    weights = newest / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
    again = train(spec)
    assert again.steps_run == 1
    assert same(straight.tensors, again.tensors)


def test_only_the_newest_checkpoints_are_kept(digits_data: str, tmp_path: Path) -> None:
    train(tiny_spec(digits_data, tmp_path, checkpoint_every_s=1e-6, keep_checkpoints=2))
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-000000011", "step-000000012"]


def test_accumulated_micro_batches_make_one_step(digits_data: str, tmp_path: Path) -> None:
    """For a network without BatchNorm in its loss the halves' mean is the whole's: here it is only
    checked that the step is made of all pictures and stays deterministic."""
    one = train(tiny_spec(digits_data, tmp_path / "a", accumulate=2))
    two = train(tiny_spec(digits_data, tmp_path / "b", accumulate=2))
    assert one.metrics["images"] == 12 * 16
    assert same(one.tensors, two.tensors)


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "hinge", "spectral_norm": True, "r1_gamma": 0, "r2_gamma": 0},
        {"loss": "wasserstein"},
        {"loss": "non_saturating", "discriminator": "dcgan", "r1_gamma": 0, "r2_gamma": 0},
        {"conditional": False, "augment": ["translate", "cutout", "brightness"]},
        {
            "generator": "residual",
            "discriminator": "residual",
            "penalty": "finite_difference",
            "gamma_final": 0.1,
            "augment": ["brightness"],
            "augment_probability": 0.5,
        },
    ],
    ids=["hinge", "wasserstein", "dcgan", "unconditional", "residual"],
)
def test_each_recipe_trains(digits_data: str, tmp_path: Path, changes: dict[str, Any]) -> None:
    result = train(tiny_spec(digits_data, tmp_path, model=PLAIN_GAN | changes, steps=5))
    assert all(torch.isfinite(value).all() for value in result.tensors.values())


def test_both_ways_to_a_penalty_hold_the_gradient_down(digits_data: str, tmp_path: Path) -> None:
    """Without one the logits grow apart; with either they stay together."""
    gaps = {}
    for name, changes in {
        "none": {"r1_gamma": 0, "r2_gamma": 0},
        "exact": {"r1_gamma": 30, "r2_gamma": 30},
        "finite_difference": {"r1_gamma": 30, "r2_gamma": 30},
    }.items():
        penalty = "exact" if name == "none" else name
        model = PLAIN_GAN | changes | {"penalty": penalty}
        spec = tiny_spec(digits_data, tmp_path / name, model=model, steps=60, lr=2e-3)
        figures = train(spec).metrics
        gaps[name] = figures["d_real"] - figures["d_fake"]
    assert gaps["exact"] < gaps["none"] / 2
    assert gaps["finite_difference"] == pytest.approx(gaps["exact"], abs=0.3 * gaps["none"])


@pytest.mark.parametrize("likelihood", ["bernoulli", "laplace", "logistic"])
def test_a_vae_learns_and_publishes_its_encoder(
    digits_data: str, tmp_path: Path, likelihood: str
) -> None:
    model = VAE | {"likelihood": likelihood}
    result = train(tiny_spec(digits_data, tmp_path, model=model, steps=60, lr=3e-3))
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < lines[0]["loss"]
    mean, _ = load_encoder(result.config, result.tensors)(
        torch.zeros(2, 1, 16, 16), torch.tensor([0, 1])
    )
    assert mean.shape == (2, 8)


def test_a_vae_publishes_the_sampler_of_its_sheet(digits_data: str, tmp_path: Path) -> None:
    model = VAE | {"free_bits": 0.1, "kl_warmup_images": 100}
    result = train(tiny_spec(digits_data, tmp_path, model=model, steps=6))
    sampler = load_sampler(result.config, result.tensors)
    assert isinstance(sampler, PriorSampler)
    assert result.metrics["prior_components"] == sampler.prior.weight.shape[1]
    assert result.metrics["prior_seconds"] >= 0
    sheet = Sheet(result.config, 0, torch.device("cpu"))
    assert sheet.png(sampler) == result.samples_png
    assert sheet.png(sampler.decoder) != result.samples_png


def test_a_vae_with_the_standard_prior_fits_nothing(digits_data: str, tmp_path: Path) -> None:
    model = VAE | {"prior": "standard"}
    result = train(tiny_spec(digits_data, tmp_path, model=model, steps=2))
    assert not any(name.startswith("sampler.prior.") for name in result.tensors)
    assert not isinstance(load_sampler(result.config, result.tensors), PriorSampler)


def test_sigterm_saves_a_checkpoint_first(digits_data: str, tmp_path: Path) -> None:
    spec = tiny_spec(digits_data, tmp_path, steps=100_000)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    with pytest.raises(JobError, match="run the same command again to continue from") as caught:
        train(spec)
    timer.join()
    step = int(str(caught.value).split("step ")[1].split(";")[0])
    assert (tmp_path / "checkpoints" / f"step-{step:09d}" / "checkpoint.json").exists()


@pytest.mark.usefixtures("diverges_after_step_6")
def test_divergence_stops_with_the_last_good_average_kept(digits_data: str, tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"diverged at step 8: .*step 4 are kept in") as caught:
        train(tiny_spec(digits_data, tmp_path))
    assert "\n" not in str(caught.value)
    tensors = load_file(tmp_path / "last-good" / "model.safetensors")
    assert all(torch.isfinite(value).all() for value in tensors.values())
    config = ModelConfig.model_validate_json((tmp_path / "last-good" / "config.json").read_text())
    assert load_sampler(config, tensors)(torch.zeros(1, 8), torch.tensor([3])).isfinite().all()


def test_a_run_that_never_was_well_keeps_nothing(digits_data: str, tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"diverged at step 1: .*; it never was healthy"):
        train(tiny_spec(digits_data, tmp_path, lr=1e38, lr_final=None, log_every=1))
    assert not (tmp_path / "last-good").exists()


def test_time_is_a_limit_too(digits_data: str, tmp_path: Path) -> None:
    result = train(tiny_spec(digits_data, tmp_path, steps=None, max_seconds=1.0))
    assert result.metrics["steps"] > 0
    assert 1.0 <= result.metrics["train_seconds"] < 30
