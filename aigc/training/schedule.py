"""How far a run is, and the learning rate that goes with it."""

from __future__ import annotations

import math

from aigc.families.adversarial import AdversarialTerms
from aigc.families.vae import Adversary
from aigc.specs import TrainSpec


def progress(spec: TrainSpec, step: int, elapsed_s: float) -> float:
    """The share done in 0..1: of `steps` or of `max_seconds`, whichever is further."""
    shares = [
        step / spec.steps if spec.steps else 0.0,
        elapsed_s / spec.max_seconds if spec.max_seconds else 0.0,
    ]
    return min(1.0, max(shares))


def learning_rate(spec: TrainSpec, step: int, done: float) -> float:
    """Linear warm-up times half a cosine from `lr` to `lr_final` as `done` goes from 0 to 1.

    Following the share done, not the step, the rate reaches its end also when time is the limit.
    """
    final = spec.lr if spec.lr_final is None else spec.lr_final
    rate = final + (spec.lr - final) * 0.5 * (1 + math.cos(math.pi * done))
    if step < spec.warmup_steps:
        rate *= (step + 1) / spec.warmup_steps
    return rate


def gamma_factor(terms: AdversarialTerms, done: float) -> float:
    """Factor of both gammas: from 1 to `gamma_final`, geometrically along the learning rate's
    cosine, as R3GAN lets them fall (Huang et al. 2024, appendix)."""
    if terms.gamma_final is None:
        return 1.0
    return float(terms.gamma_final ** (0.5 * (1 - math.cos(math.pi * done))))


def adversarial_weight(adversary: Adversary, done: float) -> float:
    """The weight of the adversarial loss, which rises linearly once the discriminator has joined a
    VAE."""
    if not adversary.ramp:
        return adversary.weight
    return adversary.weight * min(1.0, (done - adversary.start) / adversary.ramp)
