"""Checks of a training run while it lasts, and remedies."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aigc.strict import Spec

Remedy = Literal["restore", "lower_lr", "raise_penalty", "raise_augment", "stop"]
"""`restore`: go back to the weights, averages and optimisers of the best check. `lower_lr`: halve
the learning rate from now on. `raise_penalty`: double the gradient penalties. `raise_augment`: add
0.25 to the probability of augmentation. `stop`: end the run."""


class TrainingWatch(Spec):
    """Checks of the averaged weights during training, and remedies.

    A check generates `samples` images with the labels of held-out images (the test split). It
    measures KID, coverage and recall against these, the similarity of the samples among
    themselves, and for a GAN the discriminator's overfitting. The weights of the check with the
    lowest KID are kept and published. If there are fewer than 50 held-out images, training images
    are used instead, and the run prints a notice.

    A collapse of a model that was healthy before is reported at the `patience`-th consecutive
    check that shows it. A run that is collapsed from its start is reported at the first check
    after `warm_up_images` and a fifth of the run (or ten times `warm_up_images`), or after half of
    the run, and not before check number `patience` after that of the untrained model. After a
    remedy the same periods start again.
    """

    enabled: bool = True
    """False: no checks are made, the last averaged weights are published and the model's health is
    unknown."""
    samples: int = Field(300, ge=50, le=10_000)
    """Images generated per check, and the most held-out and training images they are compared
    with."""
    every_images: int | None = Field(None, ge=1)
    """Training images between checks. Default with `max_seconds`: by time, the first after 20 s,
    then spaced so that checks take the share `cost` of the time. Default with `steps` alone: every
    twentieth of the steps, and at least 500 steps apart."""
    cost: float = Field(0.03, gt=0, le=1)
    """Share of the training time that checks may take. Applies where they are spaced by time."""
    patience: int = Field(3, ge=1)
    """Consecutive checks that must show a problem before a remedy is applied."""
    warm_up_images: int = Field(20_000, ge=0)
    """Training images during which alike samples are not reported as a collapse, since every run
    starts with them. Ends at half of the run at the latest."""
    overfitting_limit: float = Field(0.5, gt=0)
    """The discriminator overfits if (D(train) - D(held-out)) / (D(train) - D(generated)), with
    means over images, exceeds this. It is 0 if training and held-out images score alike, 1 if
    held-out images score like generated ones (Karras et al. 2020, "Training generative adversarial
    networks with limited data", equation 1)."""
    on_collapse: tuple[Remedy, ...] = ("restore", "lower_lr", "raise_penalty")
    """Remedies for a collapse and for divergence (losses that are not finite). After divergence,
    training continues only with `restore`."""
    on_overfitting: tuple[Remedy, ...] = ("raise_augment", "raise_penalty")
    """Remedies for an overfitting discriminator."""
    max_remedies: int = Field(3, ge=0)
    """How often remedies are applied for each of the two problems. After that, a collapse stops the
    run; overfitting stops it once the held-out KID has not improved for `patience` checks."""
    publish_collapsed: bool = False
    """Publish a model that is judged collapsed at the end. Its card, `aigc models list` and
    /v1/models then report this."""
