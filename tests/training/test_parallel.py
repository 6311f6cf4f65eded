"""Two real processes with gloo."""

from __future__ import annotations

import json
import multiprocessing
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import nn

from aigc.families.config import ModelConfig
from aigc.families.networks import build_sampler
from aigc.training import gan, train
from aigc.training.parallel import Group
from tests.training.helpers import tiny_spec

AUGMENTED: dict[str, Any] = {
    "family": "gan",
    "latent_dim": 8,
    "width": 8,
    "penalty_every": 2,
    "augment": ["translate", "cutout", "brightness"],
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def on_two_workers(target: Callable[..., None], *arguments: Any) -> None:
    """Run `target(rank, *arguments)` in two processes of one gloo group."""
    context = multiprocessing.get_context("spawn")
    port = free_port()
    both = [
        context.Process(target=joined, args=(rank, port, target, *arguments)) for rank in range(2)
    ]
    for process in both:
        process.start()
    for process in both:
        process.join(timeout=200)
    assert [process.exitcode for process in both] == [0, 0]


def joined(rank: int, port: int, target: Callable[..., None], *arguments: Any) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", world_size=2, rank=rank)
    target(rank, *arguments)
    dist.destroy_process_group()


def worker(rank: int, data: str, folder: str) -> None:
    group = Group(rank, 2)
    module = nn.Linear(2, 1)
    for parameter in module.parameters():
        parameter.grad = torch.full_like(parameter, float(rank))
    group.average_gradients(module)
    assert all(
        (parameter.grad == 0.5).all()
        for parameter in module.parameters()
        if parameter.grad is not None
    )
    assert group.agree([float(rank)], torch.device("cpu")) == [0.0]
    watch = {"samples": 50, "every_images": 48, "patience": 1, "warm_up_images": 0}
    spec = tiny_spec(data, f"{folder}/run", steps=6, lr=0.075, watch=watch)
    result = train(spec, rank=rank, world=2)
    assert [event["step"] for event in result.metrics["watch"]["events"]] == [3]
    Path(f"{folder}/rank{rank}.json").write_text(json.dumps(result.metrics["watch"]))
    save_file(result.tensors, f"{folder}/rank{rank}.safetensors")


@pytest.mark.faults
def test_two_workers_end_with_the_same_weights(digits_data: str, tmp_path: Path) -> None:
    """Rank 0 alone looks; both go back to the untrained model when it finds a collapse."""
    on_two_workers(worker, digits_data, str(tmp_path))
    one, other = (load_file(tmp_path / f"rank{rank}.safetensors") for rank in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)
    watched, other_watched = (json.loads((tmp_path / f"rank{r}.json").read_text()) for r in (0, 1))
    assert watched == other_watched


def train_and_keep_metrics(rank: int, data: str, out: str) -> None:
    result = train(tiny_spec(data, out, steps=6), rank=rank, world=2)
    if rank == 0:
        Path(f"{out}/result.json").write_text(json.dumps([result.metrics, result.card]))


def test_one_process_hands_over_what_two_workers_trained(digits_data: str, tmp_path: Path) -> None:
    """As when the command is killed before it publishes, and run again: the metrics and the card
    are those of the run, on its workers."""
    on_two_workers(train_and_keep_metrics, digits_data, str(tmp_path))
    metrics, card = json.loads((tmp_path / "result.json").read_text())
    again = train(tiny_spec(digits_data, tmp_path, steps=6))
    assert again.steps_run == 0
    assert metrics["workers"] == 2
    assert again.metrics == metrics
    assert again.card == card
    assert "on 2 worker(s) (cpu)" in card


def without_batchnorm(config: ModelConfig) -> nn.Module:
    """The sampler with each BatchNorm replaced by nothing: it normalises over each worker's rows
    alone, as in DistributedDataParallel, so it is no function of the global batch."""
    sampler = build_sampler(config)
    for name, module in list(sampler.layers.named_children()):
        if isinstance(module, nn.BatchNorm2d):
            setattr(sampler.layers, name, nn.Identity())
    return sampler


def train_without_batchnorm(
    rank: int, data: str, out: str, world: int = 2, accumulate: int = 1
) -> None:
    changes = {"model": AUGMENTED, "steps": 30, "log_every": 1, "accumulate": accumulate}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gan, "build_sampler", without_batchnorm)
        train(tiny_spec(data, out, **changes), rank=rank, world=world)


def losses(out: Path) -> list[list[float]]:
    """Of each step; not `spread`, which is a figure of each worker's rows."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [[line[name] for name in ("d_loss", "d_real", "d_fake", "g_loss")] for line in lines]


def test_a_global_batch_gives_the_same_losses_on_any_number_of_workers(
    digits_data: str, tmp_path: Path
) -> None:
    """The losses of 30 steps in float32 agree to 1 in 100,000; only the order of sums differs.

    Pictures, noise, augmentation, penalties and the logged figures belong to the global batch.
    """
    one, two, halves = (tmp_path / name for name in ("one", "two", "halves"))
    train_without_batchnorm(0, digits_data, str(one), world=1)
    train_without_batchnorm(0, digits_data, str(halves), world=1, accumulate=2)
    on_two_workers(train_without_batchnorm, digits_data, str(two))
    expected = losses(one)
    assert len(expected) == 30
    for out in (two, halves):
        for step, (found, wanted) in enumerate(zip(losses(out), expected, strict=True), 1):
            assert found == pytest.approx(wanted, rel=1e-5, abs=1e-6), f"{out.name}, step {step}"
