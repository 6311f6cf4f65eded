"""EMA, schedule, draws, health, group: each alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from aigc.errors import JobError
from aigc.families.gan import GanModel
from aigc.families.vae import Adversary
from aigc.specs import TrainSpec
from aigc.training.device import cpu_has_fast_bf16
from aigc.training.ema import Ema
from aigc.training.health import Health, HealthVerdict, spread
from aigc.training.parallel import Group
from aigc.training.schedule import adversarial_weight, gamma_factor, learning_rate, progress
from aigc.training.step_random import StepRandom
from tests.training.helpers import tiny_spec


def spec_of(**changes: object) -> TrainSpec:
    return tiny_spec("data", "out", **changes)


def test_the_average_halves_its_distance_in_a_half_life() -> None:
    live = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        live.weight.fill_(0.0)
    ema = Ema({"sampler": live}, half_life_images=1000)
    with torch.no_grad():
        live.weight.fill_(1.0)
    for _ in range(10):
        ema.update(images_seen=10**9, batch_images=100)
    average = ema.tensors()["sampler.weight"].item()
    assert average == pytest.approx(0.5, abs=1e-4)


def test_a_young_average_follows_quickly_and_zero_turns_it_off() -> None:
    live = nn.Linear(1, 1, bias=False)
    for half_life, images in [(1_000_000, 100), (0, 10**6)]:
        ema = Ema({"sampler": live}, half_life)
        with torch.no_grad():
            live.weight.add_(1.0)
        ema.update(images, 100)
        assert torch.allclose(ema.tensors()["sampler.weight"], live.weight, atol=1e-4)


def test_batchnorm_statistics_are_averaged_with_the_weights() -> None:
    live = nn.BatchNorm1d(2)
    ema = Ema({"sampler": live}, half_life_images=100)
    live(torch.full((4, 2), 10.0))
    ema.update(10**9, 100)
    tensors = ema.tensors()
    assert torch.allclose(tensors["sampler.running_mean"], torch.full((2,), 0.5))
    assert tensors["sampler.num_batches_tracked"].item() == 1
    assert not ema.modules["sampler"].training


def test_progress_is_the_further_of_both_limits() -> None:
    spec = spec_of(steps=100, max_seconds=10.0)
    assert progress(spec, 50, 1.0) == 0.5
    assert progress(spec, 10, 9.0) == 0.9
    assert progress(spec, 300, 9.0) == 1


def test_the_rate_warms_up_and_ends_where_it_should() -> None:
    spec = spec_of(lr=1e-3, lr_final=1e-5, warmup_steps=4)
    assert learning_rate(spec, 0, 0.0) == pytest.approx(2.5e-4)
    assert learning_rate(spec, 4, 0.0) == pytest.approx(1e-3)
    assert learning_rate(spec, 50, 0.5) == pytest.approx((1e-3 + 1e-5) / 2)
    assert learning_rate(spec, 99, 1.0) == pytest.approx(1e-5)
    assert learning_rate(spec_of(lr_final=None), 99, 1.0) == pytest.approx(1.5e-3)


def test_gamma_falls_to_its_end_along_the_cosine() -> None:
    falling = GanModel(gamma_final=0.1)
    factors = [gamma_factor(falling, done) for done in (0.0, 0.5, 1.0)]
    assert factors == pytest.approx([1.0, 0.1**0.5, 0.1])
    assert [gamma_factor(GanModel(), done) for done in (0.0, 1.0)] == [1.0, 1.0]


def test_the_adversarial_weight_rises_after_the_start() -> None:
    adversary = Adversary(start=0.4, ramp=0.2, weight=0.5)
    weights = [adversarial_weight(adversary, done) for done in (0.4, 0.5, 0.6, 1.0)]
    assert weights == pytest.approx([0.0, 0.25, 0.5, 0.5])
    at_once = Adversary(start=0.4, ramp=0, weight=0.5)
    assert adversarial_weight(at_once, 0.4) == 0.5


def test_draws_depend_on_everything_that_names_them() -> None:
    base = StepRandom(seed=1, step=2)
    assert torch.equal(base.normal("z", 4, 3), StepRandom(1, 2).normal("z", 4, 3))
    others = [StepRandom(2, 2), StepRandom(1, 3), StepRandom(1, 2, first_row=4)]
    seen = {tuple(draws.normal("z", 4, 3).flatten().tolist()) for draws in [base, *others]}
    seen.add(tuple(base.normal("other", 4, 3).flatten().tolist()))
    assert len(seen) == 5


@pytest.mark.parametrize("parts", [2, 3, 12])
def test_a_row_of_the_global_batch_has_its_draws_whatever_part_it_is_in(parts: int) -> None:
    rows = 12 // parts
    whole, cut = StepRandom(1, 2), [StepRandom(1, 2, first) for first in range(0, 12, rows)]
    joined = torch.cat([draws.normal("z", rows, 5) for draws in cut])
    assert torch.equal(joined, whole.normal("z", 12, 5))
    one, many = whole.uniforms("u", 12), [draws.uniforms("u", rows) for draws in cut]
    first = one()
    assert torch.equal(torch.cat([draw() for draw in many]), first)
    second = one()
    assert torch.equal(torch.cat([draw() for draw in many]), second)
    assert not torch.equal(first, second)


def test_spread_is_zero_when_each_class_is_one_picture() -> None:
    label = torch.tensor([0, 0, 1, 1])
    prototypes = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)])
    assert spread(prototypes[label], label).item() == 0
    torch.manual_seed(0)
    noise = torch.randn(4000, 1, 4, 4) * 0.3
    label = torch.arange(4000) % 10
    assert spread(noise + label.view(-1, 1, 1, 1), label).item() == pytest.approx(0.3, abs=0.01)


HEALTHY = {"d_loss": 0.6, "g_loss": 0.8, "spread": 0.8, "weight_norm": 3.0}


def test_not_a_number_is_named_at_once() -> None:
    verdict = Health(spec_of()).verdict(1, HEALTHY | {"g_loss": float("nan")})
    assert verdict == HealthVerdict("diverged", "g_loss is nan")


@pytest.mark.parametrize(
    ("figure", "words"), [({"d_loss": 1e-5}, "is too strong"), ({"spread": 0.001}, "has collapsed")]
)
def test_saturation_and_collapse_must_last(figure: dict[str, float], words: str) -> None:
    health = Health(spec_of())
    assert health.verdict(1000, HEALTHY) is None
    for step in range(9):
        assert health.verdict(1000 + step, HEALTHY | figure) is None
    assert health.verdict(1009, HEALTHY) is None
    complaints = [health.verdict(2000 + step, HEALTHY | figure) for step in range(10)]
    assert complaints[:9] == [None] * 9
    assert words in str(complaints[9])


def test_a_young_generator_may_be_monotonous() -> None:
    health = Health(spec_of())
    assert not any(health.verdict(300 + step, HEALTHY | {"spread": 0.01}) for step in range(50))


def test_alone_a_group_changes_nothing() -> None:
    group = Group(0, 1)
    assert group.agree([1.0, 2.0], torch.device("cpu")) == [1.0, 2.0]
    assert group.average({"a": torch.tensor(3.0)}) == {"a": 3.0}
    with pytest.raises(JobError, match="not set up"):
        Group(0, 2)


@pytest.mark.parametrize(
    ("vendor", "flags", "fast"),
    [
        ("vendor_id\t: AuthenticAMD", "flags\t\t: fpu avx512f avx512_bf16", True),
        ("vendor_id\t: AuthenticAMD", "flags\t\t: fpu avx2", False),
        ("vendor_id\t: GenuineIntel", "flags\t\t: fpu avx512f avx512_bf16", False),
        ("vendor_id\t: GenuineIntel", "flags\t\t: fpu avx512_bf16 amx_bf16 amx_tile", True),
        ("CPU implementer\t: 0x41", "Features\t: fp asimd bf16", True),
        ("CPU implementer\t: 0x41", "Features\t: fp asimd", False),
    ],
)
def test_bf16_is_for_cpus_that_are_faster_in_it(vendor: str, flags: str, fast: bool) -> None:
    info = f"processor\t: 0\n{vendor}\n{flags}\n\nprocessor\t: 1\n{vendor}\n{flags}\n"
    assert cpu_has_fast_bf16(info) is fast
