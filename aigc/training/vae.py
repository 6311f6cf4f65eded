"""Encoder and decoder, together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn, optim

from aigc.models import ConvEncoder, ModelConfig, build_sampler
from aigc.models.generator import ConvSampler
from aigc.objectives.elbo import LIKELIHOODS, kl_to_standard_normal, sample_posterior
from aigc.specs import TrainSpec, VaeModel
from aigc.training.device import autocast
from aigc.training.learner import Batch
from aigc.training.parallel import Group


class VaeLearner:
    """Minimises -log p(x | z) + beta KL(q(z | x) || p(z)), a sample of z a picture."""

    def __init__(
        self, spec: TrainSpec, config: ModelConfig, device: torch.device, group: Group
    ) -> None:
        assert isinstance(spec.model, VaeModel)
        self._model = spec.model
        self._spec, self._device, self._group = spec, device, group
        self._loss = LIKELIHOODS[spec.model.likelihood]
        decoder = build_sampler(config).to(device)
        assert isinstance(decoder, ConvSampler)
        self.decoder = decoder
        self.encoder = ConvEncoder(config).to(device)
        self.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.modules = {"encoder": self.encoder, "decoder": self.decoder}
        self.published = {"sampler": self.decoder, "encoder": self.encoder}
        self.published_raw: dict[str, nn.Module] = {}
        both = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimizers: dict[str, optim.Optimizer] = {
            "both": optim.Adam(both, lr=spec.lr, betas=spec.betas, fused=True)
        }

    def step(self, batches: Sequence[Batch], step: int, done: float) -> dict[str, Tensor]:
        self.optimizers["both"].zero_grad(set_to_none=True)
        for batch in batches:
            reconstruction, divergence = self._terms(batch)
            loss = (reconstruction + self._model.beta * divergence).mean()
            per_value = loss / (len(batches) * batch[0][0].numel())
            per_value.backward()  # type: ignore[no-untyped-call]
        for module in self.modules.values():
            self._group.average_gradients(module)
        self.optimizers["both"].step()
        for module in self.modules.values():
            self._group.average_buffers(module)
        return {
            "loss": loss.detach(),
            "reconstruction": reconstruction.detach().mean(),
            "kl": divergence.detach().mean(),
        }

    def _terms(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """-log p(x | z) and KL(q || p), nats, (B,) each."""
        pictures, label, draws = batch
        with autocast(self._spec, self._device):
            mean, log_variance = self.encoder(pictures, label)
        noise = draws.normal("posterior", *mean.shape)
        z = sample_posterior(mean, log_variance, noise)
        with autocast(self._spec, self._device):
            preactivation = self.decoder.preactivation(z, label)
        reconstruction = self._loss(pictures, preactivation.float(), self._model.variance)
        return reconstruction, kl_to_standard_normal(mean, log_variance)
