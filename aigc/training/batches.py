"""A worker's part of a global batch, cut into micro-batches for the device."""

from __future__ import annotations

import torch

from aigc.modalities.image import to_network
from aigc.objectives.augment import mirrored
from aigc.specs import TrainSpec
from aigc.training.learner import Batch
from aigc.training.step_random import StepRandom
from aigc.types import Labels, UInt8Images


def micro_batches(
    spec: TrainSpec,
    step: int,
    rank: int,
    pixels: UInt8Images,
    labels: Labels,
    device: torch.device,
) -> list[Batch]:
    """The `spec.accumulate` equal parts of what worker `rank` has of the batch of `step`.

    `pixels` (B, H, W, C) are rows `rank * B` to `(rank + 1) * B` of the global batch; random
    numbers go by that row.
    """
    size = len(pixels) // spec.accumulate
    first_row = rank * len(pixels)
    batches: list[Batch] = []
    for start in range(0, len(pixels), size):
        draws = StepRandom(spec.seed, step, first_row + start, str(device))
        pictures = to_network(pixels[start : start + size]).to(device)
        if spec.flip:
            pictures = mirrored(pictures, draws.uniforms("flip", size))
        batches.append((pictures, torch.from_numpy(labels[start : start + size]).to(device), draws))
    return batches
