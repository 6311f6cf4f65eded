"""The training loop a user would write in one file of PyTorch: nothing of `aigc.training`.

The same networks, losses, penalties, augmentation, optimisers, learning rate and average of weights
as `aigc train`, the pictures in memory; no checkpoints, sheets, health checks or metrics files.

    python -m aigc.orchestration.bench.rivals.bare_training SPEC.yaml [--compile]
    torchrun --nproc-per-node 2 -m aigc.orchestration.bench.rivals.bare_training SPEC.yaml

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
from collections.abc import Callable, Iterator

import torch
import torch.distributed as dist
from torch import Tensor, nn, optim

from aigc.data.dataset import Dataset, open_dataset
from aigc.models import ModelConfig, build_discriminator, build_sampler
from aigc.objectives.adversarial import ADVERSARIAL
from aigc.objectives.augment import augment
from aigc.objectives.penalties import lazy_weight, r1, r2
from aigc.specs import GanModel, TrainSpec, load

Net = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    spec, compiled = load(TrainSpec, sys.argv[1], {}), "--compile" in sys.argv
    assert isinstance(spec.model, GanModel)
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1:
        dist.init_process_group("gloo")
    torch.manual_seed(spec.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dataset = open_dataset(spec.data)
    config = config_of(spec, dataset)
    generator = build_sampler(config).to(device)
    discriminator = build_discriminator(config).to(device)
    average = copy.deepcopy(generator).eval().requires_grad_(False)
    optimizers = [
        optim.Adam(module.parameters(), lr=spec.lr, betas=spec.betas, fused=True)
        for module in (discriminator, generator)
    ]
    draw: Net = torch.compile(generator) if compiled else generator
    judge: Net = torch.compile(discriminator) if compiled else discriminator
    model, loss_of = spec.model, ADVERSARIAL[spec.model.loss]
    bf16 = torch.autocast(device.type, torch.bfloat16, enabled=spec.precision == "bf16")

    def fakes(label: Tensor) -> Tensor:
        z = torch.randn(len(label), model.latent_dim, device=device)
        with bf16:
            return draw(z, label)

    def logits(network: Net, pictures: Tensor, label: Tensor) -> Tensor:
        with bf16:
            return network(pictures, label).float()

    def augmented(pictures: Tensor) -> Tensor:
        return augment(
            pictures, model.augment, lambda: torch.rand(len(pictures), device=pictures.device)
        )

    batches = endless(dataset, spec, rank, world, device)
    torch.manual_seed(spec.seed + rank)
    elapsed_s: list[float] = []
    cpu_s: list[float] = []
    began, began_cpu = time.perf_counter(), time.process_time()
    assert spec.steps is not None
    for step in range(spec.steps):
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = rate(spec, step)
        real, label = next(batches)

        weight = lazy_weight(step, model.penalty_every)
        penalised = weight > 0 and (model.r1_gamma > 0 or model.r2_gamma > 0)
        discriminator.requires_grad_(True)
        discriminator.zero_grad(set_to_none=True)
        with torch.no_grad():
            fake = fakes(label).float()
        # torch.compile has no double backward.
        network = discriminator if penalised else judge
        real, fake = augmented(real), augmented(fake)
        real.requires_grad_(penalised)
        fake.requires_grad_(penalised)
        real_logits, fake_logits = logits(network, real, label), logits(network, fake, label)
        loss = loss_of.discriminator(real_logits, fake_logits)
        if penalised and model.r1_gamma > 0:
            loss = loss + r1(real_logits, real, weight * model.r1_gamma)
        if penalised and model.r2_gamma > 0:
            loss = loss + r2(fake_logits, fake, weight * model.r2_gamma)
        loss.backward()  # type: ignore[no-untyped-call]
        averaged([p.grad for p in discriminator.parameters() if p.grad is not None], world)
        optimizers[0].step()

        discriminator.requires_grad_(False)
        generator.zero_grad(set_to_none=True)
        seen = augmented(fakes(label))
        generator_loss = loss_of.generator(real_logits.detach(), logits(judge, seen, label))
        generator_loss.backward()  # type: ignore[no-untyped-call]
        averaged([p.grad for p in generator.parameters() if p.grad is not None], world)
        optimizers[1].step()
        averaged([b for b in generator.buffers() if b.is_floating_point()], world)

        follow(average, generator, keep(spec, (step + 1) * spec.batch_size))
        if (step + 1) % spec.log_every == 0:
            shown = f"step {step + 1}: D {loss.item():.4f}, G {generator_loss.item():.4f}"
            elapsed_s.append(time.perf_counter() - began)
            cpu_s.append(time.process_time() - began_cpu)
            if rank == 0:
                print(shown, flush=True)  # noqa: T201
    if rank == 0:
        print(json.dumps({"elapsed_s": elapsed_s, "cpu_s": cpu_s}), flush=True)  # noqa: T201
    if world > 1:
        dist.destroy_process_group()


def config_of(spec: TrainSpec, dataset: Dataset) -> ModelConfig:
    return ModelConfig(
        architecture=spec.model,
        height=dataset.height,
        width=dataset.width,
        channels=1 if dataset.channels == 1 else 3,
        labels=dataset.labels,
        data_digest=dataset.digest,
    )


def endless(
    dataset: Dataset, spec: TrainSpec, rank: int, world: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """This process's part of each batch, every epoch in a new order."""
    pixels, labels = (torch.from_numpy(array) for array in dataset.read("train"))
    order = torch.Generator().manual_seed(spec.seed)
    part, rows = spec.batch_size // world, torch.empty(0, dtype=torch.long)
    while True:
        while len(rows) < spec.batch_size:
            rows = torch.cat([rows, torch.randperm(len(pixels), generator=order)])
        mine, rows = rows[rank * part : (rank + 1) * part], rows[spec.batch_size :]
        pictures = pixels[mine].to(device).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
        yield pictures, labels[mine].to(device)


def rate(spec: TrainSpec, step: int) -> float:
    """Warm-up, then half a cosine."""
    assert spec.steps is not None
    final = spec.lr if spec.lr_final is None else spec.lr_final
    value = final + (spec.lr - final) * 0.5 * (1 + math.cos(math.pi * step / spec.steps))
    return value * min(1.0, (step + 1) / spec.warmup_steps) if spec.warmup_steps else value


def keep(spec: TrainSpec, images: int) -> float:
    """The share of the average that a step leaves, by half-life with a ramp."""
    half_life = min(spec.ema_half_life_images, 0.05 * images)
    return float(0.5 ** (spec.batch_size / half_life)) if half_life > 0 else 0.0


@torch.no_grad()
def follow(average: nn.Module, live: nn.Module, kept: float) -> None:
    ours, theirs = average.state_dict(), live.state_dict()
    floats = [name for name, value in ours.items() if value.is_floating_point()]
    torch._foreach_lerp_(
        [ours[name] for name in floats], [theirs[name] for name in floats], 1 - kept
    )
    for name in ours.keys() - set(floats):
        ours[name].copy_(theirs[name])


def averaged(tensors: list[Tensor], world: int) -> None:
    """Each tensor becomes its mean over all processes."""
    if world == 1 or not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    flat /= world
    for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


if __name__ == "__main__":
    main()
