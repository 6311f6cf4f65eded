"""The evidence lower bound of a VAE and the likelihoods to choose from, in nats per picture."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus

_HALF_LEVEL = 1 / 255
_EDGE = 1 - 1e-3


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, e^log_variance) || N(0, 1)), float (B, D) each, summed to (B,).

    Kingma & Welling 2014, appendix B: 1/2 sum(mean^2 + var - log var - 1).
    """
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(dim=1)


def sample_posterior(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """z = mean + sigma * noise with noise ~ N(0, 1): the reparametrisation of Kingma & Welling."""
    return mean + torch.exp(0.5 * log_variance) * noise


def gaussian(pictures: Tensor, preactivation: Tensor, variance: float) -> Tensor:
    """-log N(x; tanh(h), variance) summed over pixels, (B,)."""
    squared = (pictures - torch.tanh(preactivation)).square()
    return (squared / (2 * variance) + 0.5 * math.log(2 * math.pi * variance)).flatten(1).sum(1)


def laplace(pictures: Tensor, preactivation: Tensor, scale: float) -> Tensor:
    """-log Laplace(x; tanh(h), scale) summed over pixels, (B,)."""
    absolute = (pictures - torch.tanh(preactivation)).abs()
    return (absolute / scale + math.log(2 * scale)).flatten(1).sum(1)


def bernoulli(pictures: Tensor, preactivation: Tensor, _scale: float = 1.0) -> Tensor:
    """Cross-entropy of p = (tanh(h) + 1) / 2 = sigmoid(2 h) with x mapped to [0, 1], (B,)."""
    target = (pictures + 1) / 2
    loss = binary_cross_entropy_with_logits(2 * preactivation, target, reduction="none")
    return loss.flatten(1).sum(1)


def logistic(pictures: Tensor, preactivation: Tensor, scale: float) -> Tensor:
    """-log P(x) of the logistic discretised to 256 levels, summed over pixels, (B,).

    Kingma et al. 2016 (IAF), appendix; Salimans et al. 2017, eq. 2: P = F(x + 1/255) - F(x - 1/255)
    with F = sigmoid((. - mean) / scale), open at both ends. For arguments a > b it is exact, and
    never underflows, that log(F(a) - F(b)) = logsigmoid(a) + logsigmoid(-b) + log(1 - e^(b - a)).
    """
    centred = pictures - torch.tanh(preactivation)
    upper, lower = (centred + _HALF_LEVEL) / scale, (centred - _HALF_LEVEL) / scale
    inside = (
        logsigmoid(upper) + logsigmoid(-lower) + math.log1p(-math.exp(-2 * _HALF_LEVEL / scale))
    )
    log_probability = torch.where(
        pictures < -_EDGE,
        logsigmoid(upper),
        torch.where(pictures > _EDGE, -softplus(lower), inside),
    )
    return -log_probability.flatten(1).sum(1)


LIKELIHOODS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "gaussian": gaussian,
    "bernoulli": bernoulli,
    "laplace": laplace,
    "logistic": logistic,
}
"""Negative log-likelihoods of float (B, C, H, W) pictures in [-1, 1] given the decoder's
preactivation h of the same shape (its mean is tanh(h)) and a scale; nats, (B,)."""
