from __future__ import annotations

from collections.abc import Callable

import pytest

from aigc.presets import RULES, DataFacts, Hardware, adaptive, adaptive_gan, adaptive_vae
from aigc.specs import TrainSpec, build
from tests.models_for_tests import settings

LAPTOP = Hardware("cpu", cores=2, bf16=False)
GPU = Hardware("cuda", cores=1, bf16=True)
EMOJI = DataFacts(3020, 64, 64, 3, (77, 141, 228, 115, 235, 1678, 149, 201, 196))


def choose(
    facts: DataFacts,
    hardware: Hardware = LAPTOP,
    seconds: float | None = None,
    rule: Callable[..., TrainSpec] = adaptive,
) -> TrainSpec:
    return rule("name", "data", "out", facts, hardware, seconds)


def choose_gan(facts: DataFacts) -> TrainSpec:
    return choose(facts, rule=adaptive_gan)


@pytest.mark.parametrize("rule", list(RULES.values()))
@pytest.mark.parametrize("hardware", [LAPTOP, GPU])
@pytest.mark.parametrize(
    "facts",
    [
        EMOJI,
        DataFacts(60_000, 28, 28, 1, (6000,) * 10, ("translate",)),
        DataFacts(895, 32, 32, 3),
        DataFacts(100, 256, 128, 3),
    ],
)
def test_the_choice_is_a_complete_spec_with_reasons_for_fields_it_has(
    rule, facts, hardware
) -> None:
    spec = rule("name", "data", "out", facts, hardware)
    assert build(TrainSpec, spec.model_dump(mode="json")) == spec
    fields = spec.model_dump()
    for name in spec.reasons:
        value = fields
        for part in name.split("."):
            value = value[part]


FASHION = DataFacts(60_000, 28, 28, 1, (6000,) * 10, ("translate",))


FEW_AND_SMALL = DataFacts(895, 32, 32, 3, (100,) * 8 + (95,))


def test_the_size_decides_the_family_and_the_time() -> None:
    small, large = choose(FASHION), choose(EMOJI)
    assert (small.model.family, small.max_seconds) == ("gan", 300)
    assert (large.model.family, large.max_seconds) == ("vae", 1800)
    assert "model.family" in small.reasons
    assert "model.family" in large.reasons
    assert settings(large).adversary.start == 0.5
    assert choose(FASHION, rule=adaptive_vae).model.family == "vae"
    assert choose_gan(EMOJI).model.family == "gan"


@pytest.mark.parametrize(("images", "family"), [(99, "vae"), (19_999, "vae"), (20_000, "gan")])
def test_few_small_pictures_are_for_a_vae(images: int, family: str) -> None:
    spec = choose(DataFacts(images, 32, 32, 1))
    assert (spec.model.family, spec.max_seconds) == (family, 300)
    assert "20,000" in spec.reasons["model.family"]


@pytest.mark.parametrize(
    ("channels", "hardware", "family"),
    [(1, LAPTOP, "gan"), (1, GPU, "gan"), (3, LAPTOP, "vae"), (3, GPU, "gan")],
)
def test_small_colour_pictures_are_for_a_vae_on_cpus(
    channels: int, hardware: Hardware, family: str
) -> None:
    spec = choose(DataFacts(60_000, 32, 32, channels), hardware)
    assert spec.model.family == family
    assert ("in colour on CPUs" in spec.reasons["model.family"]) == (family == "vae")


def test_only_a_gan_of_small_pictures_has_the_small_network() -> None:
    assert settings(choose(FASHION)).generator == "dcgan"
    assert settings(choose(FEW_AND_SMALL)).networks == "residual"
    assert settings(choose(FASHION, rule=adaptive_vae)).networks == "residual"
    assert settings(choose_gan(EMOJI)).generator == "residual"
    assert settings(choose(EMOJI)).networks == "residual"


@pytest.mark.parametrize("rule", [adaptive_gan, adaptive_vae])
def test_more_compute_makes_the_network_wider(rule) -> None:
    chosen = [choose(EMOJI, LAPTOP, seconds, rule) for seconds in (300, 7200, 86_400)]
    widths = [settings(spec).width for spec in chosen]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]
    assert settings(choose(EMOJI, GPU, None, rule)).width >= widths[-1]


def test_small_networks_are_narrower_where_they_would_see_few_images() -> None:
    cores = {n: settings(choose(FASHION, Hardware("cpu", n, bf16=False))).width for n in (1, 2, 4)}
    assert cores == {1: 32, 2: 48, 4: 64}
    assert settings(choose(FASHION, GPU)).width == 64
    assert "at this width" in choose(FASHION).reasons["model.width"]


@pytest.mark.parametrize("rule", [adaptive_gan, adaptive_vae])
def test_on_cpus_the_residual_networks_train_in_float32_even_where_bfloat16_is_native(rule) -> None:
    native = Hardware("cpu", cores=2, bf16=True)
    on_cpu = choose(EMOJI, native, None, rule)
    assert on_cpu.precision == "fp32"
    assert settings(on_cpu).width == settings(choose(EMOJI, LAPTOP, None, rule)).width
    assert choose(EMOJI, GPU, None, rule).precision == "auto"


def test_gamma_grows_with_the_number_of_pixels() -> None:
    for terms in (
        [choose_gan(DataFacts(3000, side, side, 3)).model for side in (64, 128, 256)],
        [settings(choose(DataFacts(3000, side, side, 3))).adversary for side in (64, 128, 256)],
    ):
        gammas = [each.r1_gamma for each in terms]
        assert gammas[1] == 4 * gammas[0]
        assert gammas[2] == 16 * gammas[0]


@pytest.mark.parametrize(("images", "augmented"), [(300, True), (3000, True), (500_000, False)])
def test_few_pictures_are_augmented(images, augmented) -> None:
    facts = DataFacts(images, 64, 64, 3)
    assert bool(settings(choose_gan(facts)).augment) == augmented
    assert bool(settings(choose(facts)).adversary.augment) == augmented


def test_a_rare_class_is_shown_more_often() -> None:
    assert choose(DataFacts(3000, 64, 64, 3, (1000,) * 3)).class_balance == 0
    assert choose(DataFacts(1002, 64, 64, 3, (1000, 2))).class_balance == 0.5
    spec = choose(EMOJI)
    assert 0 < spec.class_balance < 1
    assert "77 of 3,020" in spec.reasons["class_balance"]


@pytest.mark.parametrize(
    ("shares", "batch"), [(1, 16), (2, 16), (3, 15), (6, 18), (16, 16), (40, 40)]
)
def test_the_batch_can_be_shared_out_among_the_workers(shares: int, batch: int) -> None:
    spec = adaptive_gan("name", "data", "out", EMOJI, LAPTOP, None, shares)
    assert spec.batch_size == batch
    assert ("workers x accumulate" in spec.reasons["batch_size"]) == (batch != 16)


@pytest.mark.parametrize("rule", list(RULES.values()))
@pytest.mark.parametrize(
    "facts", [EMOJI, DataFacts(60_000, 28, 28, 1, (6000,) * 10, ("translate",))]
)
@pytest.mark.parametrize("shares", [1, 3, 5, 7])
def test_every_rule_shares_out_its_batch(rule, facts: DataFacts, shares: int) -> None:
    assert rule("name", "data", "out", facts, LAPTOP, None, shares).batch_size % shares == 0
