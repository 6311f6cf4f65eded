"""The training loop a user would write in one file of PyTorch: nothing of `aigc.training`.

The same networks, losses, penalties, augmentation, optimisers, learning rate and average of weights
as `aigc train`, the pictures in memory; no checkpoints, sheets, health checks or metrics files.

    python -m aigc.bench.rivals.bare_training SPEC.yaml [--compile]
    torchrun --nproc-per-node 2 -m aigc.bench.rivals.bare_training SPEC.yaml

Several processes average their gradients in one flattened all_reduce a network:
DistributedDataParallel does not see the second derivatives of R1 and R2. The last line of stdout is
{"elapsed_s": [...], "cpu_s": [...]}: seconds, and seconds of CPU time, since the first step began,
at each `log_every`-th step.
"""

from __future__ import annotations

import copy
import json
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn, optim

from aigc.data.dataset import Dataset, open_dataset
from aigc.families.config import ModelConfig
from aigc.families.gan import GanModel
from aigc.families.networks import build_discriminator, build_sampler
from aigc.objectives.adversarial import ADVERSARIAL
from aigc.objectives.augment import augment
from aigc.objectives.penalties import lazy_weight, squared_difference, squared_gradient
from aigc.specs import TrainSpec, load


class Gan:
    def __init__(self, spec: TrainSpec, config: ModelConfig, world: int, compiled: bool) -> None:
        assert isinstance(spec.model, GanModel)
        self.spec, self.model, self.world = spec, spec.model, world
        self.loss = ADVERSARIAL[spec.model.loss]
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.bf16 = torch.autocast(
            self.device.type, torch.bfloat16, enabled=spec.precision == "bf16"
        )
        self.g = build_sampler(config).to(self.device)
        self.d = build_discriminator(config).to(self.device)
        self.average = copy.deepcopy(self.g).eval().requires_grad_(False)
        self.g_optimizer, self.d_optimizer = (
            optim.Adam(module.parameters(), lr=spec.lr, betas=spec.betas, fused=True)
            for module in (self.g, self.d)
        )
        self.fast_g: Any = torch.compile(self.g) if compiled else self.g
        self.fast_d: Any = torch.compile(self.d) if compiled else self.d

    def step(self, step: int, real: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """One update of each network; the losses of D and G."""
        for optimizer in (self.g_optimizer, self.d_optimizer):
            optimizer.param_groups[0]["lr"] = learning_rate(self.spec, step)

        self.d.requires_grad_(True)
        self.d.zero_grad(set_to_none=True)
        with torch.no_grad():
            fake = self.fakes(label).float()
        weight = lazy_weight(step, self.model.penalty_every) * gamma_factor(self.spec, step)
        loss, real_logits = self.d_loss(self.augmented(real), self.augmented(fake), label, weight)
        loss.backward()  # type: ignore[no-untyped-call]
        self.mean_over_processes(p.grad for p in self.d.parameters())
        self.d_optimizer.step()

        self.d.requires_grad_(False)
        self.g.zero_grad(set_to_none=True)
        logits = self.logits(self.fast_d, self.augmented(self.fakes(label)), label)
        g_loss = self.loss.generator(real_logits, logits)
        g_loss.backward()  # type: ignore[no-untyped-call]
        self.mean_over_processes(p.grad for p in self.g.parameters())
        self.g_optimizer.step()
        self.mean_over_processes(b for b in self.g.buffers() if b.is_floating_point())

        follow(self.average, self.g, kept(self.spec, (step + 1) * self.spec.batch_size))
        return loss, g_loss

    def d_loss(
        self, real: Tensor, fake: Tensor, label: Tensor, weight: float
    ) -> tuple[Tensor, Tensor]:
        gammas = (weight * self.model.r1_gamma, weight * self.model.r2_gamma)
        twice = any(gammas) and self.model.penalty == "exact"
        network = self.d if twice else self.fast_d  # torch.compile has no double backward
        sides = [pictures.requires_grad_(twice) for pictures in (real, fake)]
        logits = [self.logits(network, pictures, label) for pictures in sides]
        loss = self.loss.discriminator(logits[0], logits[1])
        for pictures, judged, gamma in zip(sides, logits, gammas, strict=True):
            if gamma and twice:
                loss = loss + gamma / 2 * squared_gradient(judged, pictures)
            elif gamma:
                sigma = self.model.penalty_sigma
                moved = self.logits(network, pictures + sigma * torch.randn_like(pictures), label)
                loss = loss + gamma / 2 * squared_difference(judged, moved, sigma)
        return loss, logits[0].detach()

    def fakes(self, label: Tensor) -> Tensor:
        z = torch.randn(len(label), self.model.latent_dim, device=self.device)
        with self.bf16:
            pictures: Tensor = self.fast_g(z, label)
        return pictures

    def logits(self, network: Any, pictures: Tensor, label: Tensor) -> Tensor:
        with self.bf16:
            judged: Tensor = network(pictures, label)
        return judged.float()

    def augmented(self, pictures: Tensor) -> Tensor:
        return augment(
            pictures,
            self.model.augment,
            lambda: torch.rand(len(pictures), device=self.device),
            self.model.augment_probability,
        )

    def mean_over_processes(self, tensors: Iterable[Tensor | None]) -> None:
        if self.world == 1:
            return
        parts = [tensor for tensor in tensors if tensor is not None]
        if not parts:
            return
        flat = torch.cat([part.flatten() for part in parts])
        dist.all_reduce(flat)
        flat /= self.world
        for part, mean in zip(parts, torch.split(flat, [p.numel() for p in parts]), strict=True):
            part.copy_(mean.view_as(part))


def batches(
    dataset: Dataset, spec: TrainSpec, rank: int, world: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """This process's part of each batch, for ever, every epoch in a new order."""
    pixels, labels = (torch.from_numpy(array) for array in dataset.read("train"))
    generator = torch.Generator().manual_seed(spec.seed)
    part, rows = spec.batch_size // world, torch.empty(0, dtype=torch.long)
    while True:
        while len(rows) < spec.batch_size:
            rows = torch.cat([rows, torch.randperm(len(pixels), generator=generator)])
        mine, rows = rows[rank * part : (rank + 1) * part], rows[spec.batch_size :]
        pictures = pixels[mine].to(device).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
        yield pictures, labels[mine].to(device)


def half_cosine(spec: TrainSpec, step: int) -> float:
    """From 1 to 0 over the run."""
    assert spec.steps is not None
    return 0.5 * (1 + math.cos(math.pi * step / spec.steps))


def learning_rate(spec: TrainSpec, step: int) -> float:
    final = spec.lr if spec.lr_final is None else spec.lr_final
    rate = final + (spec.lr - final) * half_cosine(spec, step)
    return rate * min(1.0, (step + 1) / spec.warmup_steps) if spec.warmup_steps else rate


def gamma_factor(spec: TrainSpec, step: int) -> float:
    assert isinstance(spec.model, GanModel)
    return float((spec.model.gamma_final or 1.0) ** (1 - half_cosine(spec, step)))


def kept(spec: TrainSpec, images: int) -> float:
    """The share of the average that a step leaves: by half-life, shorter at the beginning."""
    half_life = min(spec.ema_half_life_images, 0.05 * images)
    return float(0.5 ** (spec.batch_size / half_life)) if half_life > 0 else 0.0


@torch.no_grad()
def follow(average: nn.Module, live: nn.Module, kept: float) -> None:
    for mine, theirs in zip(average.parameters(), live.parameters(), strict=True):
        mine.lerp_(theirs, 1 - kept)
    for own, other in zip(average.buffers(), live.buffers(), strict=True):
        own.copy_(other.lerp(own, kept) if own.is_floating_point() else other)


def config_of(spec: TrainSpec, dataset: Dataset) -> ModelConfig:
    return ModelConfig(
        architecture=spec.model,
        height=dataset.height,
        width=dataset.width,
        channels=1 if dataset.channels == 1 else 3,
        labels=dataset.labels,
        data_digest=dataset.digest,
    )


def main() -> None:
    spec, compiled = load(TrainSpec, sys.argv[1], {}), "--compile" in sys.argv
    assert spec.steps is not None
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1:
        dist.init_process_group("gloo")
    dataset = open_dataset(spec.data)
    torch.manual_seed(spec.seed)
    gan = Gan(spec, config_of(spec, dataset), world, compiled)
    torch.manual_seed(spec.seed + rank)
    source = batches(dataset, spec, rank, world, gan.device)
    times: dict[str, list[float]] = {"elapsed_s": [], "cpu_s": []}
    began, began_cpu = time.perf_counter(), time.process_time()
    for step in range(spec.steps):
        d_loss, g_loss = gan.step(step, *next(source))
        if (step + 1) % spec.log_every == 0 and rank == 0:
            print(f"step {step + 1}: D {d_loss.item():.4f}, G {g_loss.item():.4f}")  # noqa: T201
            times["elapsed_s"].append(time.perf_counter() - began)
            times["cpu_s"].append(time.process_time() - began_cpu)
    if rank == 0:
        print(json.dumps(times), flush=True)  # noqa: T201
    if world > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
