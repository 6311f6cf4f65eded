"""Recipes: plain functions that return complete training specs, to use, change or learn from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

from aigc.families.gan import GanModel
from aigc.families.vae import VaeModel
from aigc.specs import TrainingWatch, TrainSpec


def relativistic(name: str, data: str, out: str) -> TrainSpec:
    """For pictures up to 32 pixels: RpGAN with lazy R1 and R2, projection discriminator, EMA.

    The loss and the penalties of R3GAN (Huang et al. 2024) on networks small enough for a CPU. The
    learning rate is high and decays to almost nothing: in a run of minutes that is worth more than
    any other choice, and the average of the weights smooths what it shakes.
    """
    return TrainSpec(
        name=name,
        data=data,
        out=out,
        model=GanModel(loss="relativistic", discriminator="projection", r1_gamma=0.3, r2_gamma=0.3),
        max_seconds=300,
        batch_size=64,
        lr=1.5e-3,
        lr_final=1e-5,
        betas=(0.0, 0.99),
    )


def dcgan(name: str, data: str, out: str) -> TrainSpec:
    """The classic (Radford et al. 2016): non-saturating loss, BatchNorm in both networks.

    It collapses easily; it is here to compare with.
    """
    return TrainSpec(
        name=name,
        data=data,
        out=out,
        model=GanModel(
            loss="non_saturating",
            discriminator="dcgan",
            latent_dim=100,
            r1_gamma=0,
            r2_gamma=0,
        ),
        max_seconds=300,
        batch_size=128,
        lr=2e-4,
        lr_final=None,
        betas=(0.5, 0.999),
    )


def vae(name: str, data: str, out: str) -> TrainSpec:
    """A convolutional VAE (Kingma & Welling 2014): smoother pictures, an encoder, no collapse.

    The likelihood's variance is that of the errors themselves, so that grey and colour pictures of
    any size need no tuning, and samples come from a mixture fitted to the encodings: at equal time
    each of the two lowers the Fréchet distance by more than any other choice. A batch of 64 makes
    the more steps in a run of minutes.
    """
    return TrainSpec(
        name=name,
        data=data,
        out=out,
        model=VaeModel(),
        max_seconds=300,
        batch_size=64,
        lr=1e-3,
        lr_final=1e-5,
        betas=(0.9, 0.999),
    )


def smoke(name: str, data: str, out: str) -> TrainSpec:
    """Tiny networks, a few hundred steps: does everything work?

    So little training leaves a model that is judged collapsed; it is published all the same.
    """
    return TrainSpec(
        name=name,
        data=data,
        out=out,
        model=GanModel(latent_dim=32, width=16),
        steps=300,
        batch_size=32,
        lr=1e-3,
        lr_final=1e-4,
        ema_half_life_images=1_000,
        log_every=25,
        sample_every=100,
        checkpoint_every_s=10,
        watch=TrainingWatch(publish_collapsed=True),
    )


PRESETS: dict[str, Callable[[str, str, str], TrainSpec]] = {
    "relativistic": relativistic,
    "dcgan": dcgan,
    "vae": vae,
    "smoke": smoke,
}


def summary(preset: str) -> str:
    """The first line of what a preset says of itself."""
    return (PRESETS[preset].__doc__ or "").strip().splitlines()[0]


def default_out(name: str) -> str:
    """Where a run goes when nothing else is said."""
    return str(PurePosixPath("runs") / name)
