"""Generator and discriminator, in turn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aigc.data.dataset import Dataset
from aigc.families.config import ModelConfig
from aigc.families.gan import GanModel
from aigc.families.networks import build_discriminator, build_sampler
from aigc.specs import TrainSpec
from aigc.training.adjustments import Adjustments
from aigc.training.critic import Critic
from aigc.training.device import autocast
from aigc.training.health import spread
from aigc.training.learner import Batch, Figures, Finished, adam
from aigc.training.parallel import Group
from aigc.training.step_random import StepRandom


class GanLearner:
    """One discriminator update, then one generator update, on the same real pictures.

    A fake takes the class of the real picture it is paired with. In the generator's loss the logits
    of the real pictures are those of the discriminator's update just before: as constants they
    carry no gradient, and a pass over the real pictures is saved.
    """

    def __init__(
        self, spec: TrainSpec, config: ModelConfig, device: torch.device, group: Group
    ) -> None:
        assert isinstance(spec.model, GanModel)
        self._model = spec.model
        self._spec, self._device, self._group = spec, device, group
        self.generator = build_sampler(config).to(device)
        self.discriminator = build_discriminator(config).to(device)
        self.modules = {"generator": self.generator, "discriminator": self.discriminator}
        self.published = {"sampler": self.generator}
        self.published_raw = {"discriminator": self.discriminator}
        self.optimizers = {
            name: adam(module.parameters(), spec) for name, module in self.modules.items()
        }
        judge = self.discriminator, self.optimizers["discriminator"]
        usable = config.learning.augmentations
        self._critic = Critic(spec, spec.model, *judge, device, group, usable)

    def adjust(self, adjustments: Adjustments) -> None:
        self._critic.adjust(adjustments)

    def step(self, batches: Sequence[Batch], step: int, done: float) -> Figures:
        def fakes(number: int) -> Tensor:
            _, label, draws = batches[number]
            with torch.no_grad():
                return self._fakes(label, draws, "z for D")

        judged, of_real = self._critic.update(batches, fakes, step, done)
        generated = self._generator_step(batches, of_real)
        return lambda: judged() | generated()

    def finish(
        self, averages: dict[str, nn.Module], dataset: Dataset, *, preview: bool
    ) -> Finished:
        """The averaged generator: there is nothing to fit."""
        return Finished(averages["sampler"])

    def _generator_step(self, batches: Sequence[Batch], of_real: Sequence[Tensor]) -> Figures:
        self.generator.zero_grad(set_to_none=True)
        losses: list[Tensor] = []
        for (_, label, draws), real_logits in zip(batches, of_real, strict=True):
            fake = self._fakes(label, draws, "z for G")
            seen = self._critic.augment(fake, draws, "augment for G")
            loss = self._critic.loss.generator(real_logits, self._critic.logits(seen, label))
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

    def _fakes(self, label: Tensor, draws: StepRandom, purpose: str) -> Tensor:
        z = draws.normal(purpose, len(label), self._model.latent_dim)
        with autocast(self._spec, self._device):
            pictures: Tensor = self.generator(z, label)
        return pictures
