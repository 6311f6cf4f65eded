"""Adversarial losses. Logits are float (B,); `real[i]` and `fake[i]` share a class.

Each loss is a scalar to minimise; softplus(x) = log(1 + e^x), so -log sigmoid(x) = softplus(-x).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import relu, softplus

LossOfLogits = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Adversarial:
    """The two sides of one game, both of (real logits, fake logits)."""

    discriminator: LossOfLogits
    generator: LossOfLogits


def non_saturating_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))): Goodfellow et al. 2014, eq. 1."""
    return softplus(-real).mean() + softplus(fake).mean()


def non_saturating_generator(real: Tensor, fake: Tensor) -> Tensor:
    """-E log D(G(z)): Goodfellow et al. 2014, section 3, so gradients last when D is sure."""
    return softplus(-fake).mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))): Lim & Ye 2017, eq. 2; Miyato et al. 2018."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def hinge_generator(real: Tensor, fake: Tensor) -> Tensor:
    """-E D(G(z)): Lim & Ye 2017, eq. 3."""
    return -fake.mean()


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """-(E D(x) - E D(G(z))): Arjovsky et al. 2017, eq. 2; D must be kept smooth by a penalty."""
    return fake.mean() - real.mean()


def wasserstein_generator(real: Tensor, fake: Tensor) -> Tensor:
    """-E D(G(z)): Arjovsky et al. 2017, algorithm 1."""
    return -fake.mean()


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E softplus(D(G(z)) - D(x)) over pairs: RpGAN, Jolicoeur-Martineau 2019; R3GAN, Huang et al.
    2024, eq. 2. Each fake is judged against a real one, so no single cut can drop a mode."""
    return softplus(fake - real).mean()


def relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    """E softplus(D(x) - D(G(z))): the same pairs with the roles exchanged."""
    return softplus(real - fake).mean()


ADVERSARIAL: dict[str, Adversarial] = {
    "non_saturating": Adversarial(non_saturating_discriminator, non_saturating_generator),
    "relativistic": Adversarial(relativistic_discriminator, relativistic_generator),
    "hinge": Adversarial(hinge_discriminator, hinge_generator),
    "wasserstein": Adversarial(wasserstein_discriminator, wasserstein_generator),
}
