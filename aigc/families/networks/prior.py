"""The fitted prior of a VAE: a deterministic map from standard normal noise to latents.

The decoder of a VAE learns on latents of the aggregate posterior, the mean of q(z | x, y) over the
data, which is not the standard normal. Samples drawn from a model of it look better than samples
from N(0, 1) (two-stage VAE, Dai & Wipf 2019; ex-post density estimation, Ghosh et al. 2020).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_EDGE = 1e-12
_LOG_2PI = math.log(2 * math.pi)


class Gaussians(nn.Module):
    """Gaussians of full covariance, one chosen per row: mean + factor · noise."""

    mean: Tensor
    factor: Tensor

    def __init__(self, count: int, dim: int) -> None:
        """`factor` (count, dim, dim) are lower triangular with a positive diagonal."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(count, dim))
        self.register_buffer("factor", torch.eye(dim).repeat(count, 1, 1))

    def forward(self, noise: Tensor, at: Tensor) -> Tensor:
        """float (B, dim) noise of Gaussians `at`, int64 (B,), to values of the same shape. Float
        `at` (B, count) are shares that sum to 1: mean and factor are interpolated."""
        if at.is_floating_point():
            mean, factor = at @ self.mean, torch.einsum("bc,cij->bij", at, self.factor)
        else:
            mean, factor = self.mean[at], self.factor[at]
        return mean + torch.bmm(factor, noise[:, :, None])[:, :, 0]

    def inverse(self, values: Tensor, at: Tensor) -> Tensor:
        """The noise that `forward` maps to `values` (B, dim) for `at` int64 (B,)."""
        centred = (values - self.mean[at])[:, :, None]
        noise: Tensor = torch.linalg.solve_triangular(self.factor[at], centred, upper=False)
        return noise[:, :, 0]

    def log_density(self, values: Tensor, at: Tensor) -> Tensor:
        """In nats, (B,)."""
        volume = self.factor.diagonal(dim1=1, dim2=2).log().sum(1)
        return standard_normal(self.inverse(values, at)) - volume[at]


class MixturePrior(nn.Module):
    """For each class a mixture of Gaussians of full covariance.

    Noise is N(0, 1), float32 (B, latent_dim), as are latents; labels are int64 (B,), or None for a
    model without classes. A row does not depend on the others.

    The first coordinate of the noise picks the component, by the normal distribution function and
    the components' cumulative weights. Its position in the component's interval of (0, 1), mapped
    by the inverse function, is standard normal again and independent of the choice, so no further
    coordinate is needed. Truncation of the first coordinate excludes the outer components; the fit
    puts those of small weight there.
    """

    weight: Tensor

    def __init__(self, classes: int, latent_dim: int, components: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.full((classes, components), 1 / components))
        self.parts = Gaussians(classes * components, latent_dim)

    @property
    def conditions(self) -> int:
        """Components of all classes: the shares of a point."""
        return self.weight.numel()

    def forward(self, noise: Tensor, label: Tensor | None = None) -> Tensor:
        """Latents of noise and labels; or of inner noise and float shares, as `points` gives."""
        if label is None or not label.is_floating_point():
            noise, label = self._inner(noise, label)
        latents: Tensor = self.parts(noise, label)
        return latents

    def points(self, noise: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """Noise within the component (B, latent_dim) and shares of components (B, conditions).
        `forward` maps them to the same latents; interpolated ones give smooth transitions."""
        inner, part = self._inner(noise, label)
        return inner, nn.functional.one_hot(part, self.conditions).to(noise.dtype)

    def locate(self, latents: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """The point, as of `points`, that is mapped to `latents` by the component which most likely
        made them."""
        inner, part = self._located(latents, label)
        return inner, nn.functional.one_hot(part, self.conditions).to(inner.dtype)

    def turned(
        self, latents: Tensor, label: Tensor | None, becomes: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The point of the class `becomes` whose noise is that of `latents` of class `label`."""
        return self.points(self.inverse(latents, label), becomes)

    def near(self, point: Tensor, noise: Tensor, label: Tensor | None, strength: float) -> Tensor:
        """The first part of points near `point`, see `blended`."""
        return blended(point, noise, strength)

    def inverse(self, latents: Tensor, label: Tensor | None) -> Tensor:
        """Noise that is mapped to `latents` by the component which most likely made them; cut
        where that is more than about five standard deviations from its mean."""
        inner, part = self._located(latents, label)
        at = class_of(latents, label)
        low, high = self._interval(at, (part - at * self.weight.shape[1])[:, None])
        uniform = low + (high - low) * torch.special.ndtr(inner[:, :1].double())
        first = torch.special.ndtri(uniform.clamp(_EDGE, 1 - _EDGE))
        return torch.cat([first.to(latents.dtype), inner[:, 1:]], 1)

    def log_density(self, latents: Tensor, label: Tensor | None) -> Tensor:
        """log p(latents | label) in nats, (B,)."""
        return self._log_joint(latents, class_of(latents, label)).logsumexp(1)

    def _inner(self, noise: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """Noise within the component, (B, latent_dim), and the component's number, int64 (B,)."""
        at = class_of(noise, label)
        uniform = torch.special.ndtr(noise[:, :1].double())
        picked = (uniform >= self._edges()[at][:, 1:-1]).sum(1, keepdim=True)
        low, high = self._interval(at, picked)
        within = ((uniform - low) / (high - low)).clamp(_EDGE, 1 - _EDGE)
        first = torch.special.ndtri(within).to(noise.dtype)
        return torch.cat([first, noise[:, 1:]], 1), self._part(at, picked)

    def _located(self, latents: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        at = class_of(latents, label)
        part = self._part(at, self._log_joint(latents, at).argmax(1, keepdim=True))
        return self.parts.inverse(latents, part), part

    def _part(self, at: Tensor, picked: Tensor) -> Tensor:
        return at * self.weight.shape[1] + picked[:, 0]

    def _log_joint(self, latents: Tensor, at: Tensor) -> Tensor:
        """log(weight · density) of each component, (B, K)."""
        count = self.weight.shape[1]
        each = [self.parts.log_density(latents, at * count + k) for k in range(count)]
        return torch.stack(each, 1) + self.weight[at].log()

    def _interval(self, at: Tensor, picked: Tensor) -> tuple[Tensor, Tensor]:
        edges = self._edges()[at]
        return edges.gather(1, picked), edges.gather(1, picked + 1)

    def _edges(self) -> Tensor:
        """The ends of each component's interval of (0, 1), float64 (classes, K + 1)."""
        summed = self.weight.double().cumsum(1)
        return torch.cat([torch.zeros_like(summed[:, :1]), summed / summed[:, -1:]], 1)


def blended(point: Tensor, noise: Tensor, strength: float) -> Tensor:
    """sqrt(1 - s^2) point + s noise: N(0, 1) where both are, whatever the strength s in 0..1."""
    return math.sqrt(1 - strength**2) * point + strength * noise


def standard_normal(noise: Tensor) -> Tensor:
    """log N(noise; 0, 1) summed over float (B, D), (B,)."""
    return -0.5 * (noise.square() + _LOG_2PI).sum(1)


def class_of(rows: Tensor, label: Tensor | None) -> Tensor:
    """`label`, or a zero for each of `rows` in a model without classes: int64 (B,)."""
    if label is None:
        return torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
    return label
