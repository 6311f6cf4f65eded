"""The evidence lower bound of a VAE and the likelihoods to choose from, in nats per picture.

A likelihood's scale is a number, or the best one for a batch (`BEST_SCALES`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, binary_cross_entropy, logsigmoid, softplus

_HALF_LEVEL = 1 / 255
_EDGE = 1 - 1e-3
_LEAST_SCALE = 1e-3
_PYRAMID_LEVELS = 3

Scale = float | Tensor
"""A scalar in units of pixels in [-1, 1]; for the Gaussian their square."""


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, e^log_variance) || N(0, 1)) of each dimension, all float (B, D), in nats.

    Kingma & Welling 2014, appendix B: 1/2 (mean^2 + var - log var - 1).
    """
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1)


def free_bits(divergences: Tensor, least: float) -> Tensor:
    """sum_j max(least, E_batch[KL_j]) of float (B, D) divergences, a scalar in nats per picture.

    Kingma et al. 2016 (IAF), eq. 15, each dimension a group of its own: a dimension whose mean over
    the batch is below `least` nats has no gradient, so it is not driven to the prior.
    """
    return divergences.mean(dim=0).clamp_min(least).sum()


def warm_up(images: int, ramp_images: int) -> float:
    """The KL term's weight in (0, 1] at `images` seen: linear over `ramp_images`, then 1.

    Sønderby et al. 2016 (Ladder VAE), section 2.3.
    """
    return min(1.0, (images + 1) / ramp_images) if ramp_images else 1.0


def sample_posterior(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """z = mean + sigma * noise with noise ~ N(0, 1): the reparametrisation of Kingma & Welling."""
    return mean + torch.exp(0.5 * log_variance) * noise


def gaussian(pictures: Tensor, mean: Tensor, variance: Scale) -> Tensor:
    """-log N(x; mean, variance) summed over pixels, (B,)."""
    variance = _like(pictures, variance)
    squared = (pictures - mean).square()
    return (squared / (2 * variance) + 0.5 * torch.log(2 * math.pi * variance)).flatten(1).sum(1)


def laplace(pictures: Tensor, mean: Tensor, scale: Scale) -> Tensor:
    """-log Laplace(x; mean, scale) summed over pixels, (B,)."""
    scale = _like(pictures, scale)
    absolute = (pictures - mean).abs()
    return (absolute / scale + torch.log(2 * scale)).flatten(1).sum(1)


def pyramid(pictures: Tensor, mean: Tensor, scale: Scale) -> Tensor:
    """The Laplace likelihood with the error averaged over three sizes, as nats of all pixels, (B,).

    Full, half and quarter size have the same weight, so errors in outlines and colours, which stay
    in all three, cost more than fine detail does. Not the density of a distribution of pictures:
    the smaller sizes count the same pixels again.
    """
    scale = _like(pictures, scale)
    values = pictures[0].numel()
    return values * (_pyramid_error(pictures, mean) / scale + torch.log(2 * scale))


def bernoulli(pictures: Tensor, mean: Tensor, _scale: Scale = 1.0) -> Tensor:
    """Cross-entropy of p = (mean + 1) / 2 with x mapped to [0, 1], (B,)."""
    target = (pictures + 1) / 2
    loss = binary_cross_entropy((mean + 1) / 2, target, reduction="none")
    return loss.flatten(1).sum(1)


def logistic(pictures: Tensor, mean: Tensor, scale: Scale) -> Tensor:
    """-log P(x) of the logistic discretised to 256 levels, summed over pixels, (B,).

    Kingma et al. 2016 (IAF), appendix; Salimans et al. 2017, eq. 2: P = F(x + 1/255) - F(x - 1/255)
    with F = sigmoid((. - mean) / scale), open at both ends. For arguments a > b it is exact, and
    never underflows, that log(F(a) - F(b)) = logsigmoid(a) + logsigmoid(-b) + log(1 - e^(b - a)).
    """
    scale = _like(pictures, scale)
    centred = pictures - mean
    upper, lower = (centred + _HALF_LEVEL) / scale, (centred - _HALF_LEVEL) / scale
    between = torch.log1p(-torch.exp(-2 * _HALF_LEVEL / scale))
    inside = logsigmoid(upper) + logsigmoid(-lower) + between
    log_probability = torch.where(
        pictures < -_EDGE,
        logsigmoid(upper),
        torch.where(pictures > _EDGE, -softplus(lower), inside),
    )
    return -log_probability.flatten(1).sum(1)


def _pyramid_error(pictures: Tensor, mean: Tensor) -> Tensor:
    """Mean absolute error at full, half and quarter size, averaged over the three, (B,)."""
    difference, errors = pictures - mean, []
    for level in range(_PYRAMID_LEVELS):
        smaller = avg_pool2d(difference, 2**level) if level else difference
        errors.append(smaller.abs().flatten(1).mean(1))
    return torch.stack(errors).mean(0)


def _like(pictures: Tensor, scale: Scale) -> Tensor:
    return torch.as_tensor(scale, dtype=pictures.dtype, device=pictures.device)


def _mean_square(pictures: Tensor, mean: Tensor) -> Tensor:
    """The Gaussian's best variance, E (x - mean)^2 (Rybkin et al. 2021, sigma-VAE, eq. 6)."""
    return (pictures - mean).square().mean().clamp_min(_LEAST_SCALE**2)


def _mean_absolute(pictures: Tensor, mean: Tensor) -> Tensor:
    """The Laplace's best scale, E |x - mean|."""
    return (pictures - mean).abs().mean().clamp_min(_LEAST_SCALE)


def _mean_pyramid(pictures: Tensor, mean: Tensor) -> Tensor:
    return _pyramid_error(pictures, mean).mean().clamp_min(_LEAST_SCALE)


def _by_moments(pictures: Tensor, mean: Tensor) -> Tensor:
    """The logistic's scale of equal variance, s^2 pi^2 / 3: the best one has no closed form."""
    return torch.sqrt(3 * _mean_square(pictures, mean)) / math.pi


def best_scale(likelihood: str, pictures: Tensor, mean: Tensor) -> Scale:
    """The scale under which a batch is likeliest, without gradient.

    At the optimum the derivative by the scale is zero, so for the Gaussian and the Laplace the
    gradient of the loss is the same as if the scale were part of it.
    """
    if likelihood not in BEST_SCALES:
        return 1.0
    with torch.no_grad():
        return BEST_SCALES[likelihood](pictures, mean)


LIKELIHOODS: dict[str, Callable[[Tensor, Tensor, Scale], Tensor]] = {
    "gaussian": gaussian,
    "bernoulli": bernoulli,
    "laplace": laplace,
    "logistic": logistic,
    "pyramid": pyramid,
}
"""Negative log-likelihoods of float (B, C, H, W) pictures in [-1, 1] given the decoder's output,
the mean, of the same shape, and a scale; nats, (B,)."""

BEST_SCALES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "gaussian": _mean_square,
    "laplace": _mean_absolute,
    "logistic": _by_moments,
    "pyramid": _mean_pyramid,
}
"""The scale of each likelihood that has one, from a batch; a scalar."""
