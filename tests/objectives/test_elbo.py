from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Laplace, Normal, kl_divergence

from aigc.objectives.elbo import (
    BEST_SCALES,
    LIKELIHOODS,
    bernoulli,
    best_scale,
    free_bits,
    gaussian,
    kl_to_standard_normal,
    laplace,
    logistic,
    pyramid,
    sample_posterior,
    warm_up,
)

LEVELS = torch.arange(256) / 127.5 - 1


def test_kl_matches_the_closed_form_of_torch() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.randn(4, 7), torch.randn(4, 7)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(1)
    assert torch.allclose(kl_to_standard_normal(mean, log_variance).sum(1), expected, atol=1e-5)
    assert kl_to_standard_normal(torch.zeros(1, 3), torch.zeros(1, 3)).sum().item() == 0


def test_kl_matches_monte_carlo() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.tensor([[0.7]]), torch.tensor([[-0.5]])
    z = sample_posterior(mean, log_variance, torch.randn(200_000, 1))
    q, p = Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)
    estimate = (q.log_prob(z) - p.log_prob(z)).mean().item()
    assert kl_to_standard_normal(mean, log_variance).sum(1).item() == pytest.approx(
        estimate, abs=0.01
    )


def test_free_bits_count_each_dimension_by_its_mean_over_the_batch() -> None:
    divergences = torch.tensor([[0.1, 3.0, 0.0], [0.5, 1.0, 0.8]], requires_grad=True)
    assert free_bits(divergences, 0.0).item() == pytest.approx(0.3 + 2.0 + 0.4)
    found = free_bits(divergences, 0.35)
    assert found.item() == pytest.approx(0.35 + 2.0 + 0.4)
    found.backward()
    assert divergences.grad is not None
    assert divergences.grad.tolist() == [[0.0, 0.5, 0.5], [0.0, 0.5, 0.5]]


def test_the_warm_up_is_linear_in_the_images_seen() -> None:
    assert warm_up(0, 0) == 1
    assert warm_up(499, 1000) == pytest.approx(0.5)
    assert [warm_up(images, 1000) for images in (999, 10**9)] == [1, 1]


@pytest.mark.parametrize("likelihood", ["gaussian", "laplace", "pyramid"])
def test_the_best_scale_is_the_likeliest_and_needs_no_gradient(likelihood: str) -> None:
    torch.manual_seed(0)
    pictures = torch.rand(3, 1, 4, 4) * 2 - 1
    h = torch.tanh(torch.randn(3, 1, 4, 4)).requires_grad_()
    scale = best_scale(likelihood, pictures, h)
    loss = LIKELIHOODS[likelihood]
    best = loss(pictures, h, scale).sum()
    for factor in (0.9, 1.1):
        assert loss(pictures, h, factor * scale).sum() > best
    (held,) = torch.autograd.grad(best, h)
    (free,) = torch.autograd.grad(loss(pictures, h, BEST_SCALES[likelihood](pictures, h)).sum(), h)
    assert torch.allclose(held, free, atol=1e-5)


def test_a_perfect_reconstruction_has_a_finite_loss() -> None:
    pictures = torch.full((2, 1, 4, 4), 0.4)
    for name, loss in LIKELIHOODS.items():
        assert loss(pictures, pictures, best_scale(name, pictures, pictures)).isfinite().all()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (gaussian, lambda mean: Normal(mean, math.sqrt(0.1))),
        (laplace, lambda mean: Laplace(mean, 0.1)),
    ],
)
def test_continuous_likelihoods_match_torch(ours, theirs) -> None:
    torch.manual_seed(0)
    pictures, mean = torch.rand(3, 1, 4, 4) * 2 - 1, torch.rand(3, 1, 4, 4) * 2 - 1
    expected = -theirs(mean).log_prob(pictures).flatten(1).sum(1)
    assert torch.allclose(ours(pictures, mean, 0.1), expected, atol=1e-4)


def test_the_pyramid_weighs_what_stays_in_smaller_pictures() -> None:
    pictures = torch.zeros(1, 3, 8, 8)
    flat = torch.full_like(pictures, 0.1)
    checks = 0.1 * (torch.arange(8)[:, None] + torch.arange(8)).remainder(2).mul(2).sub(1)
    checks = checks.float().expand(1, 3, 8, 8)
    assert pyramid(pictures, flat, 0.2).item() == pytest.approx(
        laplace(pictures, flat, 0.2).item(), rel=1e-5
    )
    by_error = [loss(pictures, checks, 0.2).item() for loss in (laplace, pyramid)]
    lost = 3 * 8 * 8 * (0.1 / 0.2) * 2 / 3
    assert by_error[0] - by_error[1] == pytest.approx(lost, rel=1e-4)


def test_bernoulli_by_hand() -> None:
    mean = torch.tensor([0.3]).view(1, 1, 1, 1)
    p = (0.3 + 1) / 2
    for pixel, probability in [(1.0, p), (-1.0, 1 - p)]:
        loss = bernoulli(torch.full((1, 1, 1, 1), pixel), mean)
        assert loss.item() == pytest.approx(-math.log(probability), rel=1e-5)


@pytest.mark.parametrize("scale", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("mean", [-0.99, 0.0, 0.7])
def test_the_discretised_logistic_is_a_distribution_over_256_levels(
    scale: float, mean: float
) -> None:
    pictures = LEVELS.double().view(256, 1, 1, 1)
    loss = logistic(pictures, torch.full((256, 1, 1, 1), mean, dtype=torch.double), scale)
    assert torch.exp(-loss).sum().item() == pytest.approx(1, abs=1e-6)


def test_the_logistic_stays_finite_far_from_its_mean() -> None:
    pictures = torch.tensor([-0.99]).view(1, 1, 1, 1)
    mean = torch.full((1, 1, 1, 1), 1.0, requires_grad=True)
    loss = logistic(pictures, mean, 0.005)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert mean.grad is not None
    assert mean.grad.isfinite().all()


@pytest.mark.parametrize("name", sorted(LIKELIHOODS))
def test_the_best_mean_is_the_picture_itself(name: str) -> None:
    pictures = torch.full((1, 1, 4, 4), 0.4)
    best, off = (LIKELIHOODS[name](pictures, pictures + shift, 0.1) for shift in (0.0, 0.3))
    assert (best < off).all()
