"""Public trainers on a prepared data set, for `aigc bench recipes --pictures`. Run as a program:

PYTHON aigc/bench/rivals/trainers.py TRAINER DATA OUT SECONDS SAMPLES SEED

TRAINER is `pythae` or `lightweight-gan`; PYTHON belongs to an environment that has it and pyarrow,
and need not have aigc. DATA holds colour pictures of 64 x 64 pixels. SECONDS are CPU time of
training, all threads. SAMPLES pictures are written to OUT, and OUT-work keeps what a trainer saves.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor, nn

_AT_ONCE = 100


class _EndedError(Exception):
    """The time is over."""


def pythae(train: Path, seconds: float, samples: int, seed: int, work: Path) -> Iterator[Tensor]:
    """pythae 0.1.2: a VAE with its residual networks for CelebA at 64 x 64, 64 latents, Adam at
    1e-3 in batches of 64, and its sampler of ten Gaussians fitted to the encodings."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.nn.benchmarks.celeba import (
        Decoder_ResNet_AE_CELEBA,
        Encoder_ResNet_VAE_CELEBA,
    )
    from pythae.samplers import (
        GaussianMixtureSampler,
        GaussianMixtureSamplerConfig,
    )
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import (
        TrainingCallback,
    )

    class Clock(TrainingCallback):  # type: ignore[misc]
        def on_train_step_end(self, training_config: Any, **_: Any) -> None:
            steps[0] += 1
            if time.process_time() >= end:
                raise _EndedError

    pictures = torch.stack([_picture(path) for path in sorted(train.glob("*.png"))])
    config = VAEConfig(input_dim=(3, 64, 64), latent_dim=64)
    encoder, decoder = Encoder_ResNet_VAE_CELEBA(config), Decoder_ResNet_AE_CELEBA(config)
    model = VAE(model_config=config, encoder=encoder, decoder=decoder)
    settings = BaseTrainerConfig(
        output_dir=str(work),
        num_epochs=10**6,
        learning_rate=1e-3,
        per_device_train_batch_size=64,
        train_dataloader_num_workers=0,
        no_cuda=True,
        seed=seed,
    )
    labels = torch.zeros(len(pictures))
    steps, end = [0], time.process_time() + seconds
    try:
        BaseTrainer(
            model, BaseDataset(pictures, labels), training_config=settings, callbacks=[Clock()]
        ).train()
    except _EndedError:
        print(f"{steps[0]} steps of 64 pictures")
    model.eval()
    sampler = GaussianMixtureSampler(model, GaussianMixtureSamplerConfig(n_components=10))
    sampler.fit(pictures)
    for start in range(0, samples, _AT_ONCE):
        with torch.no_grad():
            yield sampler.sample(num_samples=min(_AT_ONCE, samples - start))


def lightweight_gan(
    train: Path, seconds: float, samples: int, seed: int, work: Path
) -> Iterator[Tensor]:
    """lightweight-gan 1.2.1 as its command line sets it, but without attention, whose one layer
    takes longer than all else on a CPU, and in batches of 16 pictures without accumulation, which
    make more steps. It insists on CUDA: `.cuda()` does nothing here."""
    torch.cuda.is_available = lambda: True
    torch.Tensor.cuda = lambda self, *_, **__: self  # type: ignore[method-assign]
    nn.Module.cuda = lambda self, *_, **__: self  # type: ignore[method-assign]
    device = torch.device
    import lightweight_gan.lightweight_gan as theirs

    torch.cuda.is_available = lambda: False
    torch.device = lambda *_: device("cpu")  # type: ignore[assignment, misc]
    torch.manual_seed(seed)
    trainer = theirs.Trainer(
        base_dir=work,
        image_size=64,
        batch_size=16,
        gradient_accumulate_every=1,
        disc_output_size=1,
        num_workers=0,
        save_every=10**9,
        evaluate_every=10**9,
        use_aim=False,
    )
    trainer.evaluate = lambda *_, **__: None
    trainer.set_data_src(train)
    end = time.process_time() + seconds
    while time.process_time() < end:
        trainer.train()
    print(f"{trainer.steps} steps of 16 pictures")
    trainer.GAN.eval()
    for start in range(0, samples, _AT_ONCE):
        noise = torch.randn(min(_AT_ONCE, samples - start), trainer.GAN.latent_dim)
        with torch.no_grad():
            yield trainer.GAN.G(noise)


TRAINERS = {"pythae": pythae, "lightweight-gan": lightweight_gan}


def main(trainer: str, data: str, out: str, seconds: str, samples: str, seed: str) -> None:
    torch.manual_seed(int(seed))
    folder = Path(out)
    folder.mkdir(parents=True)
    work = folder.parent / f"{folder.name}-work"
    train = _unpacked(Path(data) / "train", work / "train")
    made = TRAINERS[trainer](train, float(seconds), int(samples), int(seed), work)
    number = 0
    for batch in made:
        pixels = (batch.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        for picture in pixels:
            Image.fromarray(picture).save(folder / f"{number:06d}.png")
            number += 1


def _unpacked(split: Path, folder: Path) -> Path:
    """`folder`, with a PNG file of each picture of a prepared split."""
    folder.mkdir(parents=True)
    number = 0
    for part in sorted(split.glob("*.parquet")):
        for image in pq.read_table(part, columns=["image"])["image"].to_pylist():
            (folder / f"{number:06d}.png").write_bytes(image["bytes"])
            number += 1
    return folder


def _picture(path: Path) -> Tensor:
    """float (3, H, W) in [0, 1]."""
    with Image.open(path, formats=["PNG", "JPEG"]) as picture:
        return torch.from_numpy(np.asarray(picture.convert("RGB")).copy()).permute(2, 0, 1) / 255


if __name__ == "__main__":
    main(*sys.argv[1:])
