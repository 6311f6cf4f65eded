"""The few collective operations of data-parallel training.

Gradients are averaged by hand instead of by DistributedDataParallel: its hooks fire on `backward`
and do not see the second derivatives of R1 and R2, nor a network used twice in one step.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn

from aigc.errors import JobError


class Group:
    """`world` workers of which this is `rank`; alone, every operation is free."""

    def __init__(self, rank: int, world: int) -> None:
        if world > 1 and not dist.is_initialized():
            raise JobError(f"worker {rank} of {world}: torch.distributed is not set up")
        self.rank = rank
        self.world = world

    def average_gradients(self, module: nn.Module) -> None:
        """Each parameter's gradient, and BatchNorm's running statistics, become the mean over all
        workers: one collective operation for both, each waits for the slowest worker."""
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        self._average([*gradients, *(b for b in module.buffers() if b.is_floating_point())])

    def average(self, values: dict[str, Tensor]) -> dict[str, float]:
        """Scalars, averaged over all workers: the same on each."""
        names = sorted(values)
        stacked = torch.stack([values[name].detach().float().reshape(()) for name in names])
        self._average([stacked])
        return dict(zip(names, stacked.tolist(), strict=True))

    def agree(self, values: list[float], device: torch.device) -> list[float]:
        """What rank 0 says, on every worker."""
        if self.world == 1:
            return values
        told = torch.tensor(values, dtype=torch.float64, device=device)
        dist.broadcast(told, src=0)
        agreed: list[float] = told.tolist()
        return agreed

    def _average(self, tensors: Iterable[Tensor]) -> None:
        if self.world == 1:
            return
        parts = list(tensors)
        if not parts:
            return
        flat = torch.cat([part.reshape(-1) for part in parts])
        dist.all_reduce(flat)
        flat /= self.world
        offset = 0
        for part in parts:
            part.copy_(flat[offset : offset + part.numel()].view(part.shape))
            offset += part.numel()
