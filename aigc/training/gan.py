"""Generator and discriminator, in turn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn, optim

from aigc.data.dataset import Dataset
from aigc.models import ModelConfig, build_discriminator, build_sampler
from aigc.objectives.adversarial import ADVERSARIAL
from aigc.objectives.augment import augment
from aigc.objectives.penalties import lazy_weight, r1, r2
from aigc.specs import GanModel, TrainSpec
from aigc.training.device import autocast
from aigc.training.draws import Draws
from aigc.training.health import spread
from aigc.training.learner import Batch, Finished
from aigc.training.parallel import Group


class GanLearner:
    """One discriminator update, then one generator update, on the same real pictures.

    A fake takes the class of the real picture it is paired with. In the generator's loss the
    verdicts on the reals are those of the discriminator's update just before: as constants they
    carry no gradient, and a pass over the reals is saved.
    """

    def __init__(
        self, spec: TrainSpec, config: ModelConfig, device: torch.device, group: Group
    ) -> None:
        assert isinstance(spec.model, GanModel)
        self._model = spec.model
        self._spec, self._device, self._group = spec, device, group
        self._loss = ADVERSARIAL[spec.model.loss]
        self.generator = build_sampler(config).to(device)
        self.discriminator = build_discriminator(config).to(device)
        self.modules = {"generator": self.generator, "discriminator": self.discriminator}
        self.published = {"sampler": self.generator}
        self.published_raw = {"discriminator": self.discriminator}
        self.optimizers = {name: adam(module, spec) for name, module in self.modules.items()}

    def step(self, batches: Sequence[Batch], step: int) -> dict[str, Tensor]:
        figures, verdicts = self._discriminator_step(batches, step)
        figures |= self._generator_step(batches, verdicts)
        return figures

    def finish(
        self, averages: dict[str, nn.Module], dataset: Dataset, *, preview: bool
    ) -> Finished:
        """The averaged generator: there is nothing to fit."""
        return Finished(averages["sampler"])

    def _discriminator_step(
        self, batches: Sequence[Batch], step: int
    ) -> tuple[dict[str, Tensor], list[Tensor]]:
        self.discriminator.requires_grad_(True)
        self.discriminator.zero_grad(set_to_none=True)
        verdicts: list[Tensor] = []
        weight = lazy_weight(step, self._model.penalty_every)
        for real, label, draws in batches:
            with torch.no_grad():
                fake = self._fakes(label, draws, "z for D")
            real_logits, fake_logits, penalty = self._judge(real, fake, label, draws, weight)
            loss = self._loss.discriminator(real_logits, fake_logits)
            ((loss + penalty) / len(batches)).backward()  # type: ignore[no-untyped-call]
            verdicts.append(real_logits.detach())
        self._group.average_gradients(self.discriminator)
        self.optimizers["discriminator"].step()
        figures = {
            "d_loss": loss.detach(),
            "d_real": real_logits.detach().mean(),
            "d_fake": fake_logits.detach().mean(),
        }
        return figures, verdicts

    def _judge(
        self, real: Tensor, fake: Tensor, label: Tensor, draws: Draws, weight: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of both, and the penalties as due at this step."""
        r1_gamma, r2_gamma = weight * self._model.r1_gamma, weight * self._model.r2_gamma
        real = self._augment(real, draws, "augment real").requires_grad_(r1_gamma > 0)
        fake = self._augment(fake.float(), draws, "augment fake").requires_grad_(r2_gamma > 0)
        real_logits, fake_logits = self._logits(real, label), self._logits(fake, label)
        penalty = real_logits.new_zeros(())
        if r1_gamma > 0:
            penalty = penalty + r1(real_logits, real, r1_gamma)
        if r2_gamma > 0:
            penalty = penalty + r2(fake_logits, fake, r2_gamma)
        return real_logits, fake_logits, penalty

    def _generator_step(
        self, batches: Sequence[Batch], verdicts: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        self.discriminator.requires_grad_(False)
        self.generator.zero_grad(set_to_none=True)
        for (_, label, draws), real_logits in zip(batches, verdicts, strict=True):
            fake = self._fakes(label, draws, "z for G")
            seen = self._augment(fake, draws, "augment for G")
            loss = self._loss.generator(real_logits, self._logits(seen, label))
            (loss / len(batches)).backward()  # type: ignore[no-untyped-call]
        self._group.average_gradients(self.generator)
        self.optimizers["generator"].step()
        self._group.average_buffers(self.generator)
        real, label, _ = batches[-1]
        figures = {"g_loss": loss.detach()}
        return figures | {"spread": spread(fake, label) / spread(real, label).clamp_min(1e-6)}

    def _fakes(self, label: Tensor, draws: Draws, purpose: str) -> Tensor:
        z = draws.normal(purpose, len(label), self._model.latent_dim)
        with autocast(self._spec, self._device):
            pictures: Tensor = self.generator(z, label)
        return pictures

    def _logits(self, pictures: Tensor, label: Tensor) -> Tensor:
        with autocast(self._spec, self._device):
            logits: Tensor = self.discriminator(pictures, label)
        return logits.float()

    def _augment(self, pictures: Tensor, draws: Draws, purpose: str) -> Tensor:
        uniform = draws.uniforms(purpose, len(pictures))
        return augment(pictures, self._model.augment, uniform)


def adam(module: nn.Module, spec: TrainSpec) -> optim.Optimizer:
    return optim.Adam(module.parameters(), lr=spec.lr, betas=spec.betas, fused=True)
