"""`training.train` alone, without Ray: `python -m` or torchrun `-m`, with SPEC.yaml.

The last line of stdout is the same as that of `rivals.bare_training`.
"""

from __future__ import annotations

import json
import os
import sys
import time

import torch.distributed as dist

from aigc.specs import TrainSpec, load
from aigc.training import train


class Clock:
    """Read where the loop asks whether to stop, once before each step and once after the last."""

    def __init__(self, every: int) -> None:
        self._every, self._calls = every, 0
        self._began_s = self._began_cpu_s = 0.0
        self.elapsed_s: list[float] = []
        self.cpu_s: list[float] = []

    def stop(self) -> bool:
        """Never; notes the time of each `every`-th step's end."""
        if self._calls == 0:
            self._began_s, self._began_cpu_s = time.perf_counter(), time.process_time()
        elif self._calls % self._every == 0:
            self.elapsed_s.append(time.perf_counter() - self._began_s)
            self.cpu_s.append(time.process_time() - self._began_cpu_s)
        self._calls += 1
        return False


def main() -> None:
    spec = load(TrainSpec, sys.argv[1], {})
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1:
        dist.init_process_group("gloo")
    clock = Clock(spec.log_every)
    train(spec, rank=rank, world=world, stop=clock.stop)
    if rank == 0:
        print(json.dumps({"elapsed_s": clock.elapsed_s, "cpu_s": clock.cpu_s}))  # noqa: T201
    if world > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
