"""A prior of pairs: samples lie between the encodings of two similar training pictures.

If latents carry hundreds of nats, the decoder of a VAE learns only near the encodings, a small part
of the latent space. A Gaussian that covers many encodings also covers points far from all of them;
points between neighbouring encodings stay close to them (SMOTE, Chawla et al. 2002, in the latent
space).

The model contains the encodings, and the decoder maps each one to almost the picture it encodes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aigc.families.networks.prior import class_of

_EDGE = 1e-12
_NEAREST, _FARTHEST = 0.25, 0.75
"""Range of the interpolation weight. It excludes 0 and 1, which are the encodings themselves."""
_PLACES = 256
"""Number of equally likely weights."""


class NeighbourPrior(nn.Module):
    """Encodings of `rows` pictures, sorted by class, and the nearest ones of each in its class.

    Noise is N(0, 1), float32 (B, latent_dim), as `MixturePrior` takes it; labels are int64 (B,), or
    None for a model without classes. A row does not depend on the others.

    The first coordinate of the noise picks a picture of the class by the normal distribution
    function, the second one of its neighbours and the weight between the two. The remainders of
    both, mapped by the inverse function, are standard normal again; with the other coordinates they
    are the noise of the posterior. The fit puts pictures that are far from all others at the ends
    of a class, so truncation of the first coordinate excludes them.
    """

    mean: Tensor
    deviation: Tensor
    neighbour: Tensor
    start: Tensor
    conditions = 0
    """Length of the condition of a point, see `points`."""

    def __init__(self, classes: int, latent_dim: int, rows: int, neighbours: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(rows, latent_dim))
        self.register_buffer("deviation", torch.zeros(rows, latent_dim))
        self.register_buffer("neighbour", torch.zeros(rows, neighbours, dtype=torch.int64))
        self.register_buffer("start", torch.zeros(classes + 1, dtype=torch.int64))

    def check(self) -> None:
        """Raises ValueError if `start` or `neighbour` holds row numbers that do not exist."""
        rows = len(self.mean)
        lengths = self.start.diff()
        if self.start[0] != 0 or self.start[-1] != rows or bool((lengths < 1).any()):
            raise ValueError(f"start: expected rising row numbers from 0 to {rows}")
        if (
            self.neighbour.numel()
            and not 0 <= int(self.neighbour.min()) <= int(self.neighbour.max()) < rows
        ):
            raise ValueError(f"neighbour: expected row numbers from 0 to {rows - 1}")

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
        """Latents (B, latent_dim), which may be interpolated, and an empty condition (B, 0)."""
        return self.locate(self(noise, label), label)

    def locate(self, latents: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """The point, as of `points`, of these latents."""
        return latents, latents.new_zeros(len(latents), 0)

    def turned(
        self, latents: Tensor, label: Tensor | None, becomes: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The point of the class `becomes` that is most like `latents` of the class `label`. It has
        the same latents, because the decoder receives the class separately."""
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
