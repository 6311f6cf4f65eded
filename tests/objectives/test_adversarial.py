from __future__ import annotations

import math

import pytest
import torch

from aigc.objectives.adversarial import ADVERSARIAL

REAL = torch.tensor([2.0, 0.0])
FAKE = torch.tensor([-1.0, 0.5])


def log1pexp(x: float) -> float:
    return math.log(1 + math.exp(x))


EXPECTED = {
    "non_saturating": (
        (log1pexp(-2) + log1pexp(0)) / 2 + (log1pexp(-1) + log1pexp(0.5)) / 2,
        (log1pexp(1) + log1pexp(-0.5)) / 2,
    ),
    "relativistic": (
        (log1pexp(-3) + log1pexp(0.5)) / 2,
        (log1pexp(3) + log1pexp(-0.5)) / 2,
    ),
    "hinge": ((0 + 1) / 2 + (0 + 1.5) / 2, 0.25),
    "wasserstein": (-0.25 - 1.0, 0.25),
}


@pytest.mark.parametrize("name", sorted(ADVERSARIAL))
def test_losses_match_the_formula_by_hand(name: str) -> None:
    discriminator, generator = EXPECTED[name]
    assert ADVERSARIAL[name].discriminator(REAL, FAKE).item() == pytest.approx(discriminator)
    assert ADVERSARIAL[name].generator(REAL, FAKE).item() == pytest.approx(generator)


@pytest.mark.parametrize("name", ["non_saturating", "relativistic"])
def test_an_undecided_discriminator_has_the_known_loss(name: str) -> None:
    zero = torch.zeros(8)
    expected = math.log(4) if name == "non_saturating" else math.log(2)
    assert ADVERSARIAL[name].discriminator(zero, zero).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", sorted(ADVERSARIAL))
def test_both_sides_pull_the_fake_logits_apart(name: str) -> None:
    fake = (FAKE + 0.1).requires_grad_()
    (for_d,) = torch.autograd.grad(ADVERSARIAL[name].discriminator(REAL, fake), fake)
    (for_g,) = torch.autograd.grad(ADVERSARIAL[name].generator(REAL, fake), fake)
    assert (for_d > 0).all()
    assert (for_g < 0).all()


def test_relativistic_pairing_sees_only_differences() -> None:
    loss = ADVERSARIAL["relativistic"].discriminator
    assert torch.allclose(loss(REAL, FAKE), loss(REAL + 7, FAKE + 7))
