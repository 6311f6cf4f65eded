"""A prior of pairs: samples lie between the encodings of two alike training pictures.

The decoder of a VAE whose latents carry hundreds of nats learns on thin parts of the latent space.
A Gaussian that is wide enough to hold many encodings also holds points that no picture is encoded
to; points between neighbouring encodings stay close to them (SMOTE, Chawla et al. 2002, in the
latent space).

The model holds the encodings, and a decoder makes of an encoding about the picture it came from.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aigc.families.networks.prior import class_of

_EDGE = 1e-12
_NEAREST, _FARTHEST = 0.25, 0.75
"""Where between the two encodings a sample may lie: never at one of them."""
_PLACES = 256
"""Places between the two, equally likely."""


class NeighbourPrior(nn.Module):
    """Encodings of `rows` pictures, sorted by class, and of each its nearest of the same class.

    Noise is N(0, 1), float32 (B, latent_dim), as `MixturePrior` takes it; labels are int64 (B,), or
    None for a model without classes. Each row is mapped without regard to the others.

    The first coordinate of the noise picks a picture of the class by the normal distribution
    function, the second one of its neighbours and the place between the two. What is left of both,
    mapped back by the inverse function, is standard normal again; with the other coordinates it is
    the noise of the posterior. The fit puts pictures that are far from all others at the ends of a
    class, so a truncated first coordinate leaves them out.
    """

    mean: Tensor
    deviation: Tensor
    neighbour: Tensor
    start: Tensor
    conditions = 0
    """Numbers of a point beside its latents, see `points`."""

    def __init__(self, classes: int, latent_dim: int, rows: int, neighbours: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(rows, latent_dim))
        self.register_buffer("deviation", torch.zeros(rows, latent_dim))
        self.register_buffer("neighbour", torch.zeros(rows, neighbours, dtype=torch.int64))
        self.register_buffer("start", torch.zeros(classes + 1, dtype=torch.int64))

    def check(self) -> None:
        """Raises ValueError where rows or neighbours are named that do not exist."""
        rows = len(self.mean)
        lengths = self.start.diff()
        if self.start[0] != 0 or self.start[-1] != rows or bool((lengths < 1).any()):
            raise ValueError("start does not divide the encodings among the classes")
        if (
            self.neighbour.numel()
            and not 0 <= int(self.neighbour.min()) <= int(self.neighbour.max()) < rows
        ):
            raise ValueError("neighbour names an encoding that is not there")

    def forward(self, noise: Tensor, label: Tensor | None = None) -> Tensor:
        """Latents of noise and labels; `noise` itself where `label` is float, as `points` gives."""
        if label is not None and label.is_floating_point():
            return noise
        at = class_of(noise, label)
        first, length = self.start[at], self.start[at + 1] - self.start[at]
        row, rest = _pick(noise[:, 0], length)
        row = first + row
        number, place = _pick(noise[:, 1], noise.new_full((), self._choices).long())
        which, where = number // _PLACES, (number % _PLACES + 0.5) / _PLACES
        other = self.neighbour[row, which]
        share = (_NEAREST + (_FARTHEST - _NEAREST) * where).to(noise.dtype)[:, None]
        own = torch.cat([rest[:, None], place[:, None], noise[:, 2:]], 1)
        between = torch.lerp(self.mean[row], self.mean[other], share)
        return between + self.deviation[row] * own

    def points(self, noise: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """Latents (B, latent_dim) and nothing, (B, 0): latents may be interpolated as they are."""
        return self.locate(self(noise, label), label)

    def locate(self, latents: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """The point, as of `points`, of these latents."""
        return latents, latents.new_zeros(len(latents), 0)

    def turned(
        self, latents: Tensor, label: Tensor | None, becomes: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The point of the class `becomes` that is most like `latents` of the class `label`: the
        decoder is told the class apart from the latents."""
        return self.locate(latents, becomes)

    def near(self, point: Tensor, noise: Tensor, label: Tensor | None, strength: float) -> Tensor:
        """The first part of points that are `strength` in 0..1 of the way from `point` to those of
        `noise`."""
        return torch.lerp(point, self(noise, label), strength)

    @property
    def _choices(self) -> int:
        return self.neighbour.shape[1] * _PLACES


def _pick(noise: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Of float32 (B,) N(0, 1): int64 (B,) equally likely in 0..count - 1, and N(0, 1) again."""
    uniform = torch.special.ndtr(noise.double()) * count
    picked = uniform.long().clamp_max(count - 1)
    rest = torch.special.ndtri((uniform - picked).clamp(_EDGE, 1 - _EDGE))
    return picked, rest.to(noise.dtype)
