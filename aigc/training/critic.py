"""A discriminator and its updates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn, optim

from aigc.families.adversarial import AdversarialTerms
from aigc.objectives.adversarial import ADVERSARIAL
from aigc.objectives.augment import augment
from aigc.objectives.penalties import lazy_weight, squared_difference, squared_gradient
from aigc.specs import TrainSpec
from aigc.training.adjustments import Adjustments
from aigc.training.device import autocast, is_mixed
from aigc.training.learner import Batch, Figures
from aigc.training.parallel import Group
from aigc.training.schedule import gamma_factor
from aigc.training.step_random import StepRandom


class Critic:
    """The discriminator, with its loss, penalties and augmentation."""

    def __init__(
        self,
        spec: TrainSpec,
        terms: AdversarialTerms,
        discriminator: nn.Module,
        optimizer: optim.Optimizer,
        device: torch.device,
        group: Group,
        augmentations: tuple[str, ...],
    ) -> None:
        """`augmentations` are those that a remedy may turn on where `terms` name none."""
        self._augmentations = augmentations
        self._spec, self._terms, self._device, self._group = spec, terms, device, group
        self.discriminator = discriminator
        self.optimizer = optimizer
        self.loss = ADVERSARIAL[terms.loss]
        self._adjustments = Adjustments()
        self._mixed = is_mixed(spec, device)

    def adjust(self, adjustments: Adjustments) -> None:
        self._adjustments = adjustments

    def update(
        self,
        batches: Sequence[Batch],
        fakes: Callable[[int], Tensor],
        step: int,
        done: float,
    ) -> tuple[Figures, list[Tensor]]:
        """One step on real pictures and `fakes` (of the micro-batch of that number, without
        gradient); what is logged, and the logits of the real pictures, a tensor a micro-batch."""
        factor = gamma_factor(self._terms, done) * self._adjustments.penalty
        factor *= lazy_weight(step, self._terms.penalty_every)
        self.discriminator.requires_grad_(True)
        self.discriminator.zero_grad(set_to_none=True)
        of_real: list[Tensor] = []
        losses: list[Tensor] = []
        of_fakes: list[Tensor] = []
        for number, (real, label, draws) in enumerate(batches):
            real_logits, fake_logits, penalty = self._judge(
                real, fakes(number), label, draws, factor
            )
            loss = self.loss.discriminator(real_logits, fake_logits)
            ((loss + penalty) / len(batches)).backward()  # type: ignore[no-untyped-call]
            of_real.append(real_logits.detach())
            of_fakes.append(fake_logits.detach())
            losses.append(loss.detach())
        self._group.average_gradients(self.discriminator)
        self.optimizer.step()
        self.discriminator.requires_grad_(False)

        def figures() -> dict[str, Tensor]:
            return {
                "d_loss": torch.stack(losses).mean(),
                "d_real": torch.cat(of_real).mean(),
                "d_fake": torch.cat(of_fakes).mean(),
            }

        return figures, of_real

    def logits(self, pictures: Tensor, label: Tensor) -> Tensor:
        with autocast(self._spec, self._device):
            logits: Tensor = self.discriminator(pictures, label)
        return logits.float()

    def logits_and_features(self, pictures: Tensor, label: Tensor) -> tuple[Tensor, list[Tensor]]:
        """As `ResidualDiscriminator.with_features`, in float32."""
        with autocast(self._spec, self._device):
            logits, features = self.discriminator.with_features(pictures, label)  # type: ignore[operator]
        return logits.float(), [each.float() for each in features]

    def augment(self, pictures: Tensor, draws: StepRandom, purpose: str) -> Tensor:
        """Augmented as the spec says, and more where a remedy asks for it; alike for the same
        `purpose`."""
        probability = self._terms.augment_probability if self._terms.augment else 0.0
        probability = min(1.0, probability + self._adjustments.augment)
        if not probability:
            return pictures
        policies = self._terms.augment or self._augmentations
        uniform = draws.uniforms(purpose, len(pictures))
        return augment(pictures, policies, uniform, probability)

    def _judge(
        self, real: Tensor, fake: Tensor, label: Tensor, draws: StepRandom, factor: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of both, and the penalties, `factor` times the gammas."""
        r1_gamma, r2_gamma = factor * self._terms.r1_gamma, factor * self._terms.r2_gamma
        exact = self._terms.penalty == "exact"
        real = self.augment(real, draws, "augment real").requires_grad_(exact and r1_gamma > 0)
        fake = self.augment(fake.float(), draws, "augment fake")
        fake = fake.requires_grad_(exact and r2_gamma > 0)
        real_logits, fake_logits = self.logits(real, label), self.logits(fake, label)
        penalty = real_logits.new_zeros(())
        sides = (("real", real, real_logits, r1_gamma), ("fake", fake, fake_logits, r2_gamma))
        for side, pictures, logits, gamma in sides:
            if gamma > 0:
                squared = self._squared_gradient(pictures, logits, label, draws, side)
                penalty = penalty + gamma / 2 * squared
        return real_logits, fake_logits, penalty

    def _squared_gradient(
        self, pictures: Tensor, logits: Tensor, label: Tensor, draws: StepRandom, side: str
    ) -> Tensor:
        """E ||grad D||^2 at `pictures`, R1 on real ones and R2 on fakes (Mescheder et al. 2018, eq.
        9 and 10; RpGAN converges with both, Huang et al. 2024, proposition 2)."""
        if self._terms.penalty == "exact":
            return squared_gradient(logits, pictures)
        sigma = self._terms.penalty_sigma
        noise = draws.normal(f"penalty {side}", len(pictures), pictures[0].numel())
        moved = pictures + sigma * noise.view_as(pictures)
        with torch.autocast(self._device.type, enabled=False):  # bfloat16 would round it away
            if self._mixed:
                logits = self.discriminator(pictures, label)
            return squared_difference(logits, self.discriminator(moved, label), sigma)
