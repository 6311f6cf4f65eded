from __future__ import annotations

import pytest
import torch
from torch import nn

from aigc.objectives.penalties import lazy_weight, squared_difference, squared_gradient


def test_the_penalty_of_a_linear_judge_is_its_squared_weight() -> None:
    weight = torch.randn(1, 2, 3, 3)
    pictures = torch.randn(5, 2, 3, 3, requires_grad=True)
    logits = (pictures * weight).flatten(1).sum(1)
    expected = weight.square().sum().item()
    assert squared_gradient(logits, pictures).item() == pytest.approx(expected, rel=1e-5)


def test_the_penalty_of_a_quadratic_judge_grows_with_the_picture() -> None:
    pictures = torch.randn(4, 1, 2, 2, requires_grad=True)
    logits = 0.5 * pictures.square().flatten(1).sum(1)
    expected = pictures.detach().square().flatten(1).sum(1).mean()
    assert torch.allclose(squared_gradient(logits, pictures), expected)


def test_the_second_derivative_matches_finite_differences() -> None:
    torch.manual_seed(0)
    judge = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Softplus(), nn.Flatten(), nn.Linear(12, 1))
    judge.double()
    pictures = torch.randn(2, 1, 4, 4, dtype=torch.double, requires_grad=True)

    def penalty(weight: torch.Tensor) -> torch.Tensor:
        state = {"0.weight": weight}
        logits = torch.func.functional_call(judge, state, (pictures,)).flatten()
        (gradient,) = torch.autograd.grad(logits.sum(), pictures, create_graph=True)
        return gradient.square().flatten(1).sum(1).mean()

    weight = judge[0].weight
    assert isinstance(weight, torch.Tensor)
    logits = judge(pictures).flatten()
    ours = squared_gradient(logits, pictures).double()
    assert torch.allclose(ours, penalty(weight), rtol=1e-5)
    assert torch.autograd.gradcheck(penalty, (weight,))


def test_the_finite_difference_estimates_the_squared_gradient() -> None:
    torch.manual_seed(0)
    judge = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Softplus(), nn.Flatten(), nn.Linear(12, 1))
    pictures = torch.randn(1, 1, 4, 4).expand(20_000, -1, -1, -1)
    moved = judge(pictures + 0.01 * torch.randn(pictures.shape)).flatten()
    estimate = squared_difference(judge(pictures).flatten(), moved, 0.01)
    one = pictures[:1].clone().requires_grad_(True)
    exact = squared_gradient(judge(one).flatten(), one)
    assert estimate.item() == pytest.approx(exact.item(), rel=0.05)


def test_lazy_penalties_keep_their_strength_on_average() -> None:
    weights = [lazy_weight(step, 8) for step in range(80)]
    assert sum(weights) / len(weights) == 1
    assert sum(weight > 0 for weight in weights) == 10
