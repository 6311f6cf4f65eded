"""Encoder and decoder, together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aigc.data.dataset import Dataset
from aigc.families.networks import (
    ModelConfig,
    Prior,
    PriorSampler,
    build_discriminator,
    build_encoder,
    build_sampler,
)
from aigc.families.vae import Adversary, VaeModel
from aigc.objectives.elbo import (
    LIKELIHOODS,
    Scale,
    best_scale,
    free_bits,
    kl_to_standard_normal,
    sample_posterior,
    warm_up,
)
from aigc.specs import TrainSpec
from aigc.training.adjustments import Adjustments
from aigc.training.critic import Critic
from aigc.training.device import autocast
from aigc.training.encodings import Encodings, encode
from aigc.training.learner import Batch, Figures, Finished, adam
from aigc.training.neighbours import fit_neighbours
from aigc.training.parallel import Group
from aigc.training.prior import MOST_COMPONENTS, fit_mixture
from aigc.training.schedule import adversarial_weight
from aigc.types import Json

_PRIOR_ITEMS, _PREVIEW_ITEMS = 20_000, 1_000
_DISCRIMINATOR_BETAS = (0.0, 0.99)
_LEAST_FEATURE = 1e-6


@dataclass(frozen=True)
class _Terms:
    """Of a micro-batch."""

    decoded: Tensor
    """Reconstructions, float32 (B, C, H, W)."""
    reconstruction: Tensor
    """-log p(x | z) in nats, (B,)."""
    divergences: Tensor
    """KL(q || p) of each dimension in nats, (B, D)."""
    scale: Scale
    """The likelihood's scale."""


class VaeLearner:
    """Minimises -log p(x | z) + beta KL(q(z | x) || p(z)), a sample of z a picture.

    With an adversary, in the later part of the run also the adversarial loss and the distance in
    the discriminator's features (VAE/GAN; Larsen et al. 2016, algorithm 1). The fakes are the
    reconstructions of posterior samples: samples are drawn from a model of just those latents.
    """

    def __init__(
        self, spec: TrainSpec, config: ModelConfig, device: torch.device, group: Group
    ) -> None:
        assert isinstance(spec.model, VaeModel)
        self._model = spec.model
        self._spec, self._device, self._group = spec, device, group
        self._loss = LIKELIHOODS[spec.model.likelihood]
        self._config = config
        self.decoder = build_sampler(config).to(device)
        self.encoder = build_encoder(config).to(device)
        self.modules = {"encoder": self.encoder, "decoder": self.decoder}
        self.published = {"sampler": self.decoder, "encoder": self.encoder}
        self.published_raw: dict[str, nn.Module] = {}
        both = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimizers = {"both": adam(both, spec)}
        self._critic: Critic | None = None
        if spec.model.adversary:
            self._critic = self._adversary(spec.model.adversary)

    def _adversary(self, adversary: Adversary) -> Critic:
        judge = build_discriminator(self._config).to(self._device).requires_grad_(False)
        optimizer = adam(judge.parameters(), self._spec, _DISCRIMINATOR_BETAS)
        self.modules["discriminator"] = self.published_raw["discriminator"] = judge
        self.optimizers["discriminator"] = optimizer
        usable = self._config.learning.augmentations
        return Critic(self._spec, adversary, judge, optimizer, self._device, self._group, usable)

    def adjust(self, adjustments: Adjustments) -> None:
        if self._critic:
            self._critic.adjust(adjustments)

    def step(self, batches: Sequence[Batch], step: int, done: float) -> Figures:
        adversary = self._model.adversary
        weight = self._model.beta * warm_up(
            step * self._spec.batch_size, self._model.kl_warmup_images
        )
        if self._critic is None or adversary is None or done < adversary.start:
            return self._vae_step(batches, weight)
        return self._adversarial_step(batches, weight, self._critic, adversary, (step, done))

    def _vae_step(self, batches: Sequence[Batch], weight: float) -> Figures:
        self.optimizers["both"].zero_grad(set_to_none=True)
        for batch in batches:
            terms = self._terms(batch)
            per_value = self._loss_of(terms, weight) / (len(batches) * batch[0][0].numel())
            per_value.backward()  # type: ignore[no-untyped-call]
        self._update()
        return self._figures(terms, weight)

    def _adversarial_step(
        self,
        batches: Sequence[Batch],
        weight: float,
        critic: Critic,
        adversary: Adversary,
        at: tuple[int, float],
    ) -> Figures:
        """One update of the discriminator on reconstructions, then one of encoder and decoder.

        The graph of the reconstructions is kept between the two where there is one micro-batch;
        with several they are made twice, as accumulating gradients is there to save memory.
        """
        kept = [self._terms(batches[0])] if len(batches) == 1 else None

        def fakes(number: int) -> Tensor:
            if kept:
                return kept[0].decoded.detach()
            with torch.no_grad():
                return self._terms(batches[number]).decoded

        judged, of_real = critic.update(batches, fakes, *at)
        self.optimizers["both"].zero_grad(set_to_none=True)
        for batch, real_logits in zip(batches, of_real, strict=True):
            terms = kept[0] if kept else self._terms(batch)
            per_value = self._loss_of(terms, weight) / batch[0][0].numel()
            adversarial, distance = self._judged(batch, terms.decoded, real_logits, critic)
            loss = (
                adversary.reconstruction_weight * terms.scale * per_value
                + adversarial_weight(adversary, at[1]) * adversarial
                + adversary.feature_weight * distance
            )
            (loss / len(batches)).backward()  # type: ignore[no-untyped-call]
        self._update()
        ours = self._figures(terms, weight)
        seen = {"g_loss": adversarial.detach(), "feature_distance": distance.detach()}
        return lambda: ours() | judged() | seen

    def _judged(
        self, batch: Batch, decoded: Tensor, real_logits: Tensor, critic: Critic
    ) -> tuple[Tensor, Tensor]:
        """The adversarial loss of reconstructions, and how far the discriminator's features of them
        are from those of the pictures, augmented alike: the mean of |difference| over that of
        |features|, averaged over the resolutions."""
        pictures, label, draws = batch
        seen = critic.augment(decoded, draws, "augment for features")
        logits, features = critic.logits_and_features(seen, label)
        with torch.no_grad():
            real = critic.augment(pictures, draws, "augment for features")
            _, wanted = critic.logits_and_features(real, label)
        distances = [
            (mine - other).abs().mean() / other.abs().mean().clamp_min(_LEAST_FEATURE)
            for mine, other in zip(features, wanted, strict=True)
        ]
        return critic.loss.generator(real_logits, logits), torch.stack(distances).mean()

    def _update(self) -> None:
        for module in (self.encoder, self.decoder):
            self._group.average_gradients(module)
        self.optimizers["both"].step()

    def _loss_of(self, terms: _Terms, weight: float) -> Tensor:
        """The negative ELBO in nats a picture, the KL term weighted by `weight`."""
        penalty = free_bits(terms.divergences, self._model.free_bits)
        return terms.reconstruction.mean() + weight * penalty

    def _figures(self, terms: _Terms, weight: float) -> Figures:
        return lambda: {
            "loss": self._loss_of(terms, weight).detach(),
            "reconstruction": terms.reconstruction.detach().mean(),
            "kl": terms.divergences.detach().sum(dim=1).mean(),
            "scale": torch.as_tensor(terms.scale),
        }

    def finish(
        self, averages: dict[str, nn.Module], dataset: Dataset, *, preview: bool
    ) -> Finished:
        """The averaged decoder behind a prior fitted to the averaged encoder's encodings of at most
        20,000 training pictures; of 1,000, and one Gaussian a class, in a preview."""
        if self._model.prior == "standard":
            return Finished(averages["sampler"])
        began, limit = time.monotonic(), _PREVIEW_ITEMS if preview else _PRIOR_ITEMS
        classes = len(self._config.labels) if self._config.conditional else 0
        encodings = encode(
            averages["encoder"], dataset, classes, limit, self._spec.seed, self._spec.memory_bytes
        )
        if not encodings.finite:  # of a run that diverges there is nothing to fit
            return Finished(averages["sampler"])
        prior, metrics = self._fitted(encodings, preview)
        metrics["prior_seconds"] = round(time.monotonic() - began, 1)
        sampler = PriorSampler(prior.to(self._device), averages["sampler"]).eval()
        return Finished(sampler, {"sampler.prior": prior}, metrics)

    def _fitted(self, encodings: Encodings, preview: bool) -> tuple[Prior, Json]:
        if self._model.prior == "neighbours":
            return fit_neighbours(encodings), {"prior_encodings": len(encodings)}
        prior = fit_mixture(encodings, self._spec.seed, 1 if preview else MOST_COMPONENTS)
        return prior, {"prior_components": prior.weight.shape[1]}

    def _terms(self, batch: Batch) -> _Terms:
        pictures, label, draws = batch
        with autocast(self._spec, self._device):
            mean, log_variance = self.encoder(pictures, label)
        noise = draws.normal("posterior", *mean.shape)
        z = sample_posterior(mean, log_variance, noise)
        with autocast(self._spec, self._device):
            preactivation = self.decoder.preactivation(z, label)  # type: ignore[operator]
        decoded = self.decoder.activation(preactivation.float())  # type: ignore[operator]
        scale = self._scale(pictures, decoded)
        reconstruction = self._loss(pictures, decoded, scale)
        divergences = kl_to_standard_normal(mean, log_variance)
        return _Terms(decoded, reconstruction, divergences, scale)

    def _scale(self, pictures: Tensor, decoded: Tensor) -> Scale:
        if self._model.variance == "best":
            return best_scale(self._model.likelihood, pictures, decoded)
        return self._model.variance
