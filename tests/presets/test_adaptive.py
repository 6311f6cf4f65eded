from __future__ import annotations

import pytest

from aigc.presets import RULES, DataFacts, Hardware, adaptive, adaptive_vae
from aigc.specs import TrainSpec, build

LAPTOP = Hardware("cpu", cores=2, bf16=False)
GPU = Hardware("cuda", cores=1, bf16=True)
EMOJI = DataFacts(3020, 64, 64, 3, (77, 141, 228, 115, 235, 1678, 149, 201, 196))


def choose(
    facts: DataFacts, hardware: Hardware = LAPTOP, seconds: float | None = None
) -> TrainSpec:
    return adaptive("name", "data", "out", facts, hardware, seconds)


@pytest.mark.parametrize("rule", list(RULES.values()))
@pytest.mark.parametrize("hardware", [LAPTOP, GPU])
@pytest.mark.parametrize(
    "facts", [EMOJI, DataFacts(60_000, 28, 28, 1, (6000,) * 10), DataFacts(100, 256, 128, 3)]
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


def test_small_pictures_keep_the_small_network() -> None:
    small = choose(DataFacts(60_000, 28, 28, 1, (6000,) * 10))
    assert (small.model.generator, small.max_seconds) == ("dcgan", 300)
    assert choose(EMOJI).model.generator == "residual"
    assert choose(EMOJI).max_seconds == 1800


def test_more_compute_makes_the_network_wider() -> None:
    widths = [choose(EMOJI, LAPTOP, seconds).model.width for seconds in (600, 7200, 86_400)]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]
    assert choose(EMOJI, GPU).model.width >= widths[-1]


def test_gamma_grows_with_the_number_of_pixels() -> None:
    gammas = [choose(DataFacts(3000, side, side, 3)).model.r1_gamma for side in (64, 128, 256)]
    assert gammas[1] == 4 * gammas[0]
    assert gammas[2] == 16 * gammas[0]


@pytest.mark.parametrize(("images", "augmented"), [(300, True), (3000, True), (500_000, False)])
def test_few_pictures_are_augmented(images, augmented) -> None:
    assert bool(choose(DataFacts(images, 64, 64, 3)).model.augment) == augmented


def test_a_rare_class_is_shown_more_often() -> None:
    assert choose(DataFacts(3000, 64, 64, 3, (1000,) * 3)).class_balance == 0
    assert choose(DataFacts(1002, 64, 64, 3, (1000, 2))).class_balance == 0.5
    spec = choose(EMOJI)
    assert 0 < spec.class_balance < 1
    assert "77 of 3,020" in spec.reasons["class_balance"]


def test_a_vae_takes_the_width_that_fits_its_time() -> None:
    widths = [
        adaptive_vae("n", "d", "o", EMOJI, hardware, seconds).model.width
        for hardware, seconds in ((LAPTOP, 60), (LAPTOP, 1800), (GPU, 1800))
    ]
    assert widths == sorted(set(widths))


@pytest.mark.parametrize(
    ("shares", "batch"), [(1, 16), (2, 16), (3, 15), (6, 18), (16, 16), (40, 40)]
)
def test_the_batch_can_be_shared_out_among_the_workers(shares: int, batch: int) -> None:
    spec = adaptive("name", "data", "out", EMOJI, LAPTOP, None, shares)
    assert spec.batch_size == batch
    assert ("workers x accumulate" in spec.reasons["batch_size"]) == (batch != 16)


@pytest.mark.parametrize("rule", list(RULES.values()))
@pytest.mark.parametrize("facts", [EMOJI, DataFacts(60_000, 28, 28, 1, (6000,) * 10)])
@pytest.mark.parametrize("shares", [1, 3, 5, 7])
def test_every_rule_shares_out_its_batch(rule, facts: DataFacts, shares: int) -> None:
    assert rule("name", "data", "out", facts, LAPTOP, None, shares).batch_size % shares == 0
