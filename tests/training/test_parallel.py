"""Two real processes with gloo."""

from __future__ import annotations

import json
import multiprocessing
import socket
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import nn

from aigc.training import train
from aigc.training.parallel import Group
from tests.training.helpers import tiny_spec


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def worker(rank: int, port: int, data: str, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", world_size=2, rank=rank)
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
    dist.destroy_process_group()


def test_two_workers_end_with_the_same_weights(digits_data: str, tmp_path: Path) -> None:
    """Rank 0 alone looks; both go back to the untrained model when it finds a collapse."""
    context = multiprocessing.get_context("spawn")
    port = free_port()
    both = [
        context.Process(target=worker, args=(rank, port, digits_data, str(tmp_path)))
        for rank in range(2)
    ]
    for process in both:
        process.start()
    for process in both:
        process.join(timeout=200)
    assert [process.exitcode for process in both] == [0, 0]
    one, other = (load_file(tmp_path / f"rank{rank}.safetensors") for rank in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)
    watched, other_watched = (json.loads((tmp_path / f"rank{r}.json").read_text()) for r in (0, 1))
    assert watched == other_watched
