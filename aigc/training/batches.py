"""A worker's part of a global batch, cut into micro-batches for the device."""

from __future__ import annotations

import torch

from aigc.modalities.base import Items
from aigc.objectives.augment import mirrored
from aigc.specs import TrainSpec
from aigc.training.learner import Batch
from aigc.training.step_random import StepRandom
from aigc.training.view import View
from aigc.types import Labels


def micro_batches(
    spec: TrainSpec,
    step: int,
    rank: int,
    items: Items,
    labels: Labels,
    device: torch.device,
    view: View,
) -> list[Batch]:
    """The `spec.accumulate` equal parts of what worker `rank` has of the batch of `step`.

    `items` (B, ...) are rows `rank * B` to `(rank + 1) * B` of the global batch; random
    numbers go by that row.
    """
    size = len(items) // spec.accumulate
    first_row = rank * len(items)
    batches: list[Batch] = []
    for start in range(0, len(items), size):
        draws = StepRandom(spec.seed, step, first_row + start, str(device))
        pictures = view(items[start : start + size]).to(device)
        if spec.flip:
            pictures = mirrored(pictures, draws.uniforms("flip", size))
        batches.append((pictures, torch.from_numpy(labels[start : start + size]).to(device), draws))
    return batches
