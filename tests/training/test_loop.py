from __future__ import annotations

import io
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from aigc.data import loader
from aigc.data.dataset import open_dataset
from aigc.errors import JobError, SpecError
from aigc.families.networks import (
    ModelConfig,
    PriorSampler,
    load_discriminator,
    load_encoder,
    load_sampler,
)
from aigc.families.networks.prior import MixturePrior
from aigc.training import is_finished, train
from aigc.training.sheets import SampleSheet
from tests.training.helpers import tiny_spec

PLAIN_GAN: dict[str, Any] = {"family": "gan", "latent_dim": 8, "width": 8}
VAE: dict[str, Any] = {"family": "vae", "latent_dim": 8, "width": 8}
ADVERSARY: dict[str, Any] = {
    "start": 0.4,
    "penalty": "finite_difference",
    "penalty_every": 2,
    "augment": ["translate"],
}
VAE_GAN = VAE | {
    "networks": "residual",
    "likelihood": "pyramid",
    "adversary": ADVERSARY,
    "prior": "neighbours",
}
RAMPED = VAE | {"free_bits": 0.05, "kl_warmup_images": 150}


def stop_after(steps: int) -> Any:
    asked = iter(range(10**9))
    return lambda: next(asked) >= steps


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("model", [PLAIN_GAN, RAMPED, VAE_GAN], ids=["gan", "vae", "vae-gan"])
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


class Killed(BaseException):
    pass


@pytest.mark.parametrize("model", [PLAIN_GAN, VAE], ids=["gan", "vae"])
@pytest.mark.parametrize("looks", [False, True], ids=["unwatched", "watched"])
def test_a_run_killed_after_its_last_checkpoint_hands_over_the_same(
    digits_data: str, tmp_path: Path, model: dict[str, Any], looks: bool
) -> None:
    def killed_at_the_end(done: float, total: float, **_: Any) -> None:
        if done == total:
            raise Killed

    watch = {"samples": 50, "every_images": 64} if looks else {"enabled": False}
    changes = {"model": model, "steps": 6, "watch": watch}
    straight = train(tiny_spec(digits_data, tmp_path / "straight", **changes))
    spec = tiny_spec(digits_data, tmp_path / "killed", **changes)
    with pytest.raises(Killed):
        train(spec, report=killed_at_the_end)
    again = train(spec)
    assert again.steps_run == 0
    assert again.samples_png == straight.samples_png
    assert same(again.tensors, straight.tensors)
    assert untimed(again.metrics) == untimed(straight.metrics)
    sheets = [
        sorted(path.name for path in (tmp_path / name / "samples").iterdir())
        for name in ("straight", "killed")
    ]
    assert sheets[0] == sheets[1] == ["step-000000006.png"]


def untimed(metrics: Any) -> Any:
    """`metrics` without what follows from the clock."""
    clock = {"train_seconds", "images_per_s", "prior_seconds", "seconds"}
    if isinstance(metrics, dict):
        return {key: untimed(value) for key, value in metrics.items() if key not in clock}
    return metrics


def test_a_split_above_memory_bytes_is_streamed(
    digits_data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same again whenever it is resumed; and, of one row group, in the order of memory."""
    whole = train(tiny_spec(digits_data, tmp_path / "whole", steps=6))
    monkeypatch.delattr(loader.Loader, "_everything")
    small = {"memory_bytes": 1000, "steps": 6}
    straight = train(tiny_spec(digits_data, tmp_path / "straight", **small))
    spec = tiny_spec(digits_data, tmp_path / "resumed", **small)
    with pytest.raises(JobError, match="stopped at step"):
        train(spec, stop=stop_after(3))
    assert same(train(spec).tensors, straight.tensors)
    assert same(whole.tensors, straight.tensors)
    assert open_dataset(digits_data).blocks("train")[1:] == ()


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
    """Networks without BatchNorm learn the same from a batch and from its halves, but for the order
    of sums; a step of one half alone would be another."""
    model = PLAIN_GAN | {"generator": "residual", "discriminator": "residual"}
    options: dict[str, Any] = {
        "model": model,
        "steps": 3,
        "log_every": 1,
        "ema_half_life_images": 0,
    }
    runs = {
        name: train(tiny_spec(digits_data, tmp_path / name, **options | changes))
        for name, changes in {
            "whole": {},
            "halves": {"accumulate": 2},
            "half": {"batch_size": 8},
        }.items()
    }
    start = train(tiny_spec(digits_data, tmp_path / "start", **options | {"steps": 1, "lr": 1e-12}))

    def apart(one: str, other: str) -> float:
        """How far two runs are apart, as a share of the way the first has gone."""
        a, b, origin = runs[one].tensors, runs[other].tensors, start.tensors
        gaps = sum(float((a[key] - b[key]).square().sum()) for key in a)
        way = sum(float((a[key] - origin[key]).square().sum()) for key in a)
        return (gaps / way) ** 0.5

    assert runs["halves"].metrics["images"] == runs["whole"].metrics["images"] == 3 * 16
    assert apart("whole", "halves") < 0.01
    assert apart("whole", "half") > 0.1


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


@pytest.mark.parametrize("likelihood", ["bernoulli", "laplace", "logistic", "pyramid"])
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


def test_an_adversary_joins_a_vae_in_the_middle_and_is_published(
    digits_data: str, tmp_path: Path
) -> None:
    spec = tiny_spec(digits_data, tmp_path, model=VAE_GAN, steps=60, lr=3e-3, log_every=12)
    result = train(spec)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    joined = {line["step"]: "d_loss" in line for line in lines}
    assert joined == {12: False, 24: False, 36: True, 48: True, 60: True}
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert result.metrics["prior_encodings"] > 100
    assert isinstance(load_sampler(result.config, result.tensors), PriorSampler)
    judge = load_discriminator(result.config, result.tensors)
    pictures, label = torch.rand(2, 1, 16, 16), torch.tensor([0, 1])
    logits, features = judge.with_features(pictures, label)  # type: ignore[operator]
    assert torch.equal(logits, judge(pictures, label))
    assert [each.shape[-1] for each in features] == [8, 4, 2]
    assert load_encoder(result.config, result.tensors)(pictures, label)[0].shape == (2, 8)


def test_the_adversary_sees_the_same_reconstructions_however_many_micro_batches(
    digits_data: str, tmp_path: Path
) -> None:
    """With a fixed scale of the likelihood the sums differ by rounding alone."""
    model = VAE_GAN | {"adversary": ADVERSARY | {"start": 0.0, "feature_weight": 0}}
    figures = []
    for accumulate in (1, 2):
        out = tmp_path / str(accumulate)
        train(tiny_spec(digits_data, out, model=model, steps=1, log_every=1, accumulate=accumulate))
        figures.append(json.loads((out / "metrics.jsonl").read_text().splitlines()[0]))
    for name in ("d_loss", "d_real", "d_fake"):
        assert figures[0][name] == pytest.approx(figures[1][name], rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"networks": "dcgan"}, "model.adversary needs networks residual"),
        ({"likelihood": "gaussian"}, "model.adversary needs networks residual"),
        ({"variance": 0.1}, "model.adversary needs networks residual"),
        ({"adversary": None, "likelihood": "bernoulli"}, "model.likelihood bernoulli needs"),
    ],
)
def test_what_does_not_go_together_is_refused(
    digits_data: str, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(SpecError, match=said):
        tiny_spec(digits_data, tmp_path, model=VAE_GAN | changes)


def test_a_vae_publishes_the_sampler_of_its_sheet(digits_data: str, tmp_path: Path) -> None:
    model = VAE | {"free_bits": 0.1, "kl_warmup_images": 100}
    result = train(tiny_spec(digits_data, tmp_path, model=model, steps=6))
    sampler = load_sampler(result.config, result.tensors)
    assert isinstance(sampler, PriorSampler)
    assert isinstance(sampler.prior, MixturePrior)
    assert result.metrics["prior_components"] == sampler.prior.weight.shape[1]
    assert result.metrics["prior_seconds"] >= 0
    sheet = SampleSheet(result.config, 0, torch.device("cpu"))
    assert sheet.png(sampler) == result.samples_png
    assert sheet.png(sampler.decoder) != result.samples_png


def test_a_vae_with_the_standard_prior_fits_nothing(digits_data: str, tmp_path: Path) -> None:
    model = VAE | {"prior": "standard"}
    result = train(tiny_spec(digits_data, tmp_path, model=model, steps=2))
    assert not any(name.startswith("sampler.prior.") for name in result.tensors)
    assert not isinstance(load_sampler(result.config, result.tensors), PriorSampler)


def test_sigterm_saves_a_checkpoint_first(digits_data: str, tmp_path: Path) -> None:
    asked = iter(range(10**9))

    def never() -> bool:
        if next(asked) == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return False

    spec = tiny_spec(digits_data, tmp_path, steps=100_000)
    with pytest.raises(JobError, match="run the same command again to continue from") as caught:
        train(spec, stop=never)
    step = int(str(caught.value).split("step ")[1].split(";")[0])
    assert step in (5, 6)
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
    assert 1.0 <= result.metrics["train_seconds"] < 120
