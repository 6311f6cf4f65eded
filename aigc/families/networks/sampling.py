"""The published sampler of a VAE with a fitted prior: noise to latents to pictures."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aigc.errors import StoreError
from aigc.families.config import ModelConfig
from aigc.families.networks.neighbours import NeighbourPrior
from aigc.families.networks.prior import MixturePrior
from aigc.families.vae import VaeModel

PRIOR_PREFIX = "sampler.prior."

Prior = MixturePrior | NeighbourPrior


class PriorSampler(nn.Module):
    """decoder(prior(z, label), label): a sampler like any other, of standard normal z."""

    def __init__(self, prior: Prior, decoder: nn.Module) -> None:
        super().__init__()
        self.prior, self.decoder = prior, decoder

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """float (B, latent_dim), int64 (B,) if conditional -> float (B, C, H, W) in [-1, 1]."""
        pictures: Tensor = self.decoder(self.prior(z, label), label)
        return pictures


class PriorInference(nn.Module):
    """The same function, with the inference form of the decoder. The prior stays in float32: it
    costs little, and its choice of a component must not depend on the decoder's precision."""

    def __init__(self, prior: Prior, decoder: nn.Module) -> None:
        """`decoder` accepts float embeddings instead of labels, see `networks.inference`."""
        super().__init__()
        self.prior, self.decoder = prior, decoder

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """As `PriorSampler`; or of a point: inner noise and its condition, see `points`."""
        if label is None or not label.is_floating_point():
            pictures: Tensor = self.decoder(self.prior(z, label), label)
            return pictures
        rest = label.shape[1] - self.prior.conditions
        latents = self.prior(z, label[:, rest:].to(z.dtype))
        between: Tensor = self.decoder(latents, label[:, :rest] if rest else None)
        return between

    def points(self, z: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """Inner noise (B, latent_dim) and its condition, float (B, E): the decoder's embedding of
        the class, if any, and the prior's shares. Both may be interpolated."""
        return self._point(*self.prior.points(z, label), label)

    def locate(self, latents: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """The point, as of `points`, whose latents are these, (B, latent_dim)."""
        return self._point(*self.prior.locate(latents, label), label)

    def turned(
        self, latents: Tensor, label: Tensor | None, becomes: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The point of the class `becomes` that is most like `latents` of the class `label`."""
        return self._point(*self.prior.turned(latents, label, becomes), becomes)

    def _point(self, inner: Tensor, shares: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        if label is None:
            return inner, shares
        known: Tensor = self.decoder.embeddings(label)  # type: ignore[operator]
        return inner, torch.cat([known.to(shares.dtype), shares], dim=1)


def load_prior(config: ModelConfig, tensors: dict[str, Tensor]) -> Prior | None:
    """The prior of a model folder, from `sampler.prior.*`; None where it has none.

    Raises:
        StoreError: a tensor is missing, left over or of another shape.
    """
    own = {
        name.removeprefix(PRIOR_PREFIX): value
        for name, value in tensors.items()
        if name.startswith(PRIOR_PREFIX)
    }
    model = config.architecture
    if not own or not isinstance(model, VaeModel):
        return None
    try:
        classes = len(config.labels) if config.conditional else 1
        prior = _blank(own, classes, model.latent_dim)
        prior.load_state_dict(own)
        if isinstance(prior, NeighbourPrior):
            prior.check()
    except (RuntimeError, KeyError, IndexError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise StoreError(f"the prior's weights do not fit config.json: {reason}") from None
    return prior.eval().requires_grad_(False)


def _blank(own: dict[str, Tensor], classes: int, latent_dim: int) -> Prior:
    """A prior without values, of the kind and size of the tensors."""
    if "neighbour" in own:
        return NeighbourPrior(classes, latent_dim, *own["neighbour"].shape)
    return MixturePrior(classes, latent_dim, own["weight"].shape[1])
