"""Generator and discriminator, in turn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn, optim

from aigc.data.dataset import Dataset
from aigc.models import ModelConfig, build_discriminator, build_sampler
from aigc.objectives.adversarial import ADVERSARIAL
from aigc.objectives.augment import AUGMENTATIONS, augment
from aigc.objectives.penalties import lazy_weight, squared_difference, squared_gradient
from aigc.specs import GanModel, TrainSpec
from aigc.training.adjustments import Adjustments
from aigc.training.device import autocast, is_mixed
from aigc.training.draws import Draws
from aigc.training.health import spread
from aigc.training.learner import Batch, Figures, Finished
from aigc.training.parallel import Group
from aigc.training.schedule import gamma_factor


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
        self._gamma_factor = 1.0
        self._loss = ADVERSARIAL[spec.model.loss]
        self.generator = build_sampler(config).to(device)
        self.discriminator = build_discriminator(config).to(device)
        self.modules = {"generator": self.generator, "discriminator": self.discriminator}
        self.published = {"sampler": self.generator}
        self.published_raw = {"discriminator": self.discriminator}
        self.optimizers = {name: adam(module, spec) for name, module in self.modules.items()}
        self._adjustments = Adjustments()
        self._mixed = is_mixed(spec, device)

    def adjust(self, adjustments: Adjustments) -> None:
        self._adjustments = adjustments

    def step(self, batches: Sequence[Batch], step: int, done: float) -> Figures:
        self._gamma_factor = gamma_factor(self._model, done) * self._adjustments.penalty
        judged, verdicts = self._discriminator_step(batches, step)
        generated = self._generator_step(batches, verdicts)
        return lambda: judged() | generated()

    def finish(
        self, averages: dict[str, nn.Module], dataset: Dataset, *, preview: bool
    ) -> Finished:
        """The averaged generator: there is nothing to fit."""
        return Finished(averages["sampler"])

    def _discriminator_step(
        self, batches: Sequence[Batch], step: int
    ) -> tuple[Figures, list[Tensor]]:
        self.discriminator.requires_grad_(True)
        self.discriminator.zero_grad(set_to_none=True)
        verdicts: list[Tensor] = []
        losses: list[Tensor] = []
        fakes: list[Tensor] = []
        weight = lazy_weight(step, self._model.penalty_every)
        for real, label, draws in batches:
            with torch.no_grad():
                fake = self._fakes(label, draws, "z for D")
            real_logits, fake_logits, penalty = self._judge(real, fake, label, draws, weight)
            loss = self._loss.discriminator(real_logits, fake_logits)
            ((loss + penalty) / len(batches)).backward()  # type: ignore[no-untyped-call]
            verdicts.append(real_logits.detach())
            fakes.append(fake_logits.detach())
            losses.append(loss.detach())
        self._group.average_gradients(self.discriminator)
        self.optimizers["discriminator"].step()

        def figures() -> dict[str, Tensor]:
            return {
                "d_loss": torch.stack(losses).mean(),
                "d_real": torch.cat(verdicts).mean(),
                "d_fake": torch.cat(fakes).mean(),
            }

        return figures, verdicts

    def _judge(
        self, real: Tensor, fake: Tensor, label: Tensor, draws: Draws, weight: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of both, and the penalties as due at this step."""
        factor = weight * self._gamma_factor
        r1_gamma, r2_gamma = factor * self._model.r1_gamma, factor * self._model.r2_gamma
        exact = self._model.penalty == "exact"
        real = self._augment(real, draws, "augment real").requires_grad_(exact and r1_gamma > 0)
        fake = self._augment(fake.float(), draws, "augment fake")
        fake = fake.requires_grad_(exact and r2_gamma > 0)
        real_logits, fake_logits = self._logits(real, label), self._logits(fake, label)
        penalty = real_logits.new_zeros(())
        sides = (("real", real, real_logits, r1_gamma), ("fake", fake, fake_logits, r2_gamma))
        for side, pictures, logits, gamma in sides:
            if gamma > 0:
                squared = self._squared_gradient(pictures, logits, label, draws, side)
                penalty = penalty + gamma / 2 * squared
        return real_logits, fake_logits, penalty

    def _squared_gradient(
        self, pictures: Tensor, logits: Tensor, label: Tensor, draws: Draws, side: str
    ) -> Tensor:
        """E ||grad D||^2 at `pictures`, R1 on real ones and R2 on fakes (Mescheder et al. 2018, eq.
        9 and 10; RpGAN converges with both, Huang et al. 2024, proposition 2)."""
        if self._model.penalty == "exact":
            return squared_gradient(logits, pictures)
        sigma = self._model.penalty_sigma
        noise = draws.normal(f"penalty {side}", len(pictures), pictures[0].numel())
        moved = pictures + sigma * noise.view_as(pictures)
        with torch.autocast(self._device.type, enabled=False):  # bfloat16 would round it away
            if self._mixed:
                logits = self.discriminator(pictures, label)
            return squared_difference(logits, self.discriminator(moved, label), sigma)

    def _generator_step(self, batches: Sequence[Batch], verdicts: Sequence[Tensor]) -> Figures:
        self.discriminator.requires_grad_(False)
        self.generator.zero_grad(set_to_none=True)
        losses: list[Tensor] = []
        for (_, label, draws), real_logits in zip(batches, verdicts, strict=True):
            fake = self._fakes(label, draws, "z for G")
            seen = self._augment(fake, draws, "augment for G")
            loss = self._loss.generator(real_logits, self._logits(seen, label))
            (loss / len(batches)).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        self._group.average_gradients(self.generator)
        self.optimizers["generator"].step()
        real, label, _ = batches[-1]
        last = fake.detach()

        def figures() -> dict[str, Tensor]:
            alike = spread(last, label) / spread(real, label).clamp_min(1e-6)
            return {"g_loss": torch.stack(losses).mean(), "spread": alike}

        return figures

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
        """Augmented as the spec says, and more where a remedy asks for it."""
        probability = self._model.augment_probability if self._model.augment else 0.0
        probability = min(1.0, probability + self._adjustments.augment)
        if not probability:
            return pictures
        uniform = draws.uniforms(purpose, len(pictures))
        return augment(pictures, self._model.augment or AUGMENTATIONS, uniform, probability)


def adam(module: nn.Module, spec: TrainSpec) -> optim.Optimizer:
    return optim.Adam(module.parameters(), lr=spec.lr, betas=spec.betas, fused=True)
