"""How a training run is judged while it lasts, and what is done when it goes wrong."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aigc.strict import Spec

Remedy = Literal["restore", "lower_lr", "raise_penalty", "raise_augment", "stop"]
"""`restore`: weights, averages and optimisers go back to the best look. `lower_lr`: the learning
rate times 0.5 from now on. `raise_penalty`: gradient penalties times 2. `raise_augment`: 0.25 is
added to the probability of augmentation. `stop`: the run ends here."""


class TrainingWatch(Spec):
    """Looks at the averaged model during training, and what follows from them.

    A look draws `samples` pictures with the labels of held-out pictures (the test split) and takes
    KID, coverage and recall against those, how alike the samples are, and for a GAN how much
    better its discriminator knows training pictures than held-out ones. The look with the lowest
    KID is kept, and published. With fewer than 50 held-out pictures training pictures stand in
    their place; the run says so.

    When a collapse is reported: of a model that once was well, at the `patience`-th look at which
    its averaged weights show it; of a run that is collapsed from its beginning, at the first look
    after `warm_up_images` and a fifth of the run (or ten times `warm_up_images`), or after half of
    the run, but not before look number `patience` after the one at the untrained model. After a
    remedy it may take as long again.
    """

    enabled: bool = True
    """Without it no look is taken, the last average is published and its health is unknown."""
    samples: int = Field(300, ge=50, le=10_000)
    """Samples a look draws, and the most held-out and training pictures it compares them with."""
    every_images: int | None = Field(None, ge=1)
    """Training images between looks. None: with `max_seconds` by time, the first after 20 s and
    then so far apart that looking takes `cost` of the time; with `steps` alone every twentieth
    part of them, but at least 500 steps apart."""
    cost: float = Field(0.03, gt=0, le=1)
    """Share of the time that looks may take; only where they are spaced by time."""
    patience: int = Field(3, ge=1)
    """Looks in a row that must show the same trouble before it is acted on."""
    warm_up_images: int = Field(20_000, ge=0)
    """Every run begins with samples that are alike; so long, or half of the run, they may be."""
    overfitting_limit: float = Field(0.5, gt=0)
    """The discriminator overfits above this (D(train) - D(held out)) / (D(train) - D(fake)), means
    over pictures: 0 when it treats both alike, 1 when held-out pictures look fake to it (Karras et
    al. 2020, "Training generative adversarial networks with limited data", equation 1)."""
    on_collapse: tuple[Remedy, ...] = ("restore", "lower_lr", "raise_penalty")
    """Also for a run that diverged, where `restore` is what makes it go on."""
    on_overfitting: tuple[Remedy, ...] = ("raise_augment", "raise_penalty")
    max_remedies: int = Field(3, ge=0)
    """How often each of the two may be remedied. After that a collapse stops the run, an
    overfitting discriminator only once the held-out KID has not improved for `patience` looks."""
    publish_collapsed: bool = False
    """Publish a model that is judged collapsed at the end. Its card, `aigc models list` and
    /v1/models then say that it is."""
