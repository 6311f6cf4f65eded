"""Encoder and decoder, together."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn, optim

from aigc.data.dataset import Dataset
from aigc.models import ConvEncoder, ModelConfig, PriorSampler, build_sampler
from aigc.objectives.elbo import (
    LIKELIHOODS,
    Scale,
    best_scale,
    free_bits,
    kl_to_standard_normal,
    sample_posterior,
    warm_up,
)
from aigc.specs import TrainSpec, VaeModel
from aigc.training.adjustments import Adjustments
from aigc.training.device import autocast
from aigc.training.encodings import encode
from aigc.training.learner import Batch, Figures, Finished
from aigc.training.parallel import Group
from aigc.training.prior import MOST_COMPONENTS, fit_mixture

_PRIOR_ITEMS, _PREVIEW_ITEMS = 20_000, 1_000


class VaeLearner:
    """Minimises -log p(x | z) + beta KL(q(z | x) || p(z)), a sample of z a picture."""

    def __init__(
        self, spec: TrainSpec, config: ModelConfig, device: torch.device, group: Group
    ) -> None:
        assert isinstance(spec.model, VaeModel)
        self._model = spec.model
        self._spec, self._device, self._group = spec, device, group
        self._loss = LIKELIHOODS[spec.model.likelihood]
        self._config = config
        self.decoder = build_sampler(config).to(device)
        self.encoder = ConvEncoder(config).to(device)
        self.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.modules = {"encoder": self.encoder, "decoder": self.decoder}
        self.published = {"sampler": self.decoder, "encoder": self.encoder}
        self.published_raw: dict[str, nn.Module] = {}
        both = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimizers: dict[str, optim.Optimizer] = {
            "both": optim.Adam(both, lr=spec.lr, betas=spec.betas, fused=True)
        }

    def adjust(self, adjustments: Adjustments) -> None:
        """A VAE has neither penalty nor augmentation."""

    def step(self, batches: Sequence[Batch], step: int, done: float) -> Figures:
        self.optimizers["both"].zero_grad(set_to_none=True)
        weight = self._model.beta * warm_up(
            step * self._spec.batch_size, self._model.kl_warmup_images
        )
        for batch in batches:
            reconstruction, divergences, scale = self._terms(batch)
            penalty = free_bits(divergences, self._model.free_bits)
            loss = reconstruction.mean() + weight * penalty
            per_value = loss / (len(batches) * batch[0][0].numel())
            per_value.backward()  # type: ignore[no-untyped-call]
        for module in self.modules.values():
            self._group.average_gradients(module)
        self.optimizers["both"].step()
        return lambda: {
            "loss": loss.detach(),
            "reconstruction": reconstruction.detach().mean(),
            "kl": divergences.detach().sum(dim=1).mean(),
            "scale": torch.as_tensor(scale),
        }

    def finish(
        self, averages: dict[str, nn.Module], dataset: Dataset, *, preview: bool
    ) -> Finished:
        """The averaged decoder behind a prior fitted to the averaged encoder's encodings of at most
        20,000 training pictures; one Gaussian a class of 1,000 pictures in a preview."""
        if self._model.prior == "standard":
            return Finished(averages["sampler"])
        began, limit = time.monotonic(), _PREVIEW_ITEMS if preview else _PRIOR_ITEMS
        classes = len(self._config.labels) if self._config.conditional else 0
        encodings = encode(
            averages["encoder"], dataset, classes, limit, self._spec.seed, self._spec.memory_bytes
        )
        if not encodings.finite:  # of a run that diverges there is nothing to fit
            return Finished(averages["sampler"])
        prior = fit_mixture(encodings, self._spec.seed, 1 if preview else MOST_COMPONENTS)
        metrics = {
            "prior_components": prior.weight.shape[1],
            "prior_seconds": round(time.monotonic() - began, 1),
        }
        sampler = PriorSampler(prior.to(self._device), averages["sampler"]).eval()
        return Finished(sampler, {"sampler.prior": prior}, metrics)

    def _terms(self, batch: Batch) -> tuple[Tensor, Tensor, Scale]:
        """-log p(x | z) (B,) and KL(q || p) of each dimension (B, D), nats; the likelihood's
        scale."""
        pictures, label, draws = batch
        with autocast(self._spec, self._device):
            mean, log_variance = self.encoder(pictures, label)
        noise = draws.normal("posterior", *mean.shape)
        z = sample_posterior(mean, log_variance, noise)
        with autocast(self._spec, self._device):
            preactivation = self.decoder.preactivation(z, label)  # type: ignore[operator]
        preactivation = preactivation.float()
        scale = self._scale(pictures, preactivation)
        reconstruction = self._loss(pictures, preactivation, scale)
        return reconstruction, kl_to_standard_normal(mean, log_variance), scale

    def _scale(self, pictures: Tensor, preactivation: Tensor) -> Scale:
        if self._model.variance == "best":
            return best_scale(self._model.likelihood, pictures, preactivation)
        return self._model.variance
