"""What a VAE's encoder makes of the training pictures, in memory of a bounded size."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aigc.data.dataset import Dataset
from aigc.training.view import view_of

_AT_ONCE = 256
_HELD_OUT = 0.1
_LARGEST = 1e6


@dataclass(frozen=True)
class Encodings:
    """Posteriors q(z | x, y) of N pictures: `mean` and `deviation` float32 (N, latent_dim) on the
    CPU, `label` int64 (N,), 0 where the model takes no classes, of which there are `classes`."""

    mean: Tensor
    deviation: Tensor
    label: Tensor
    classes: int

    def __len__(self) -> int:
        return len(self.label)

    @property
    def finite(self) -> bool:
        """Whether all are numbers, no larger than covariances of float32 can hold."""
        largest = torch.cat([self.mean.abs(), self.deviation]).max()
        return bool(largest < _LARGEST)  # not so for NaN

    def __getitem__(self, rows: Tensor | slice) -> Encodings:
        mean, deviation, label = self.mean[rows], self.deviation[rows], self.label[rows]
        return Encodings(mean, deviation, label, self.classes)

    def sample(self, generator: torch.Generator) -> Tensor:
        """One latent of each picture's posterior, (N, latent_dim): the aggregate posterior."""
        return self.mean + self.deviation * torch.randn(self.mean.shape, generator=generator)

    def split(self, generator: torch.Generator) -> tuple[Encodings, Encodings]:
        """Nine tenths to fit on, and the rest; both all of it when there are fewer than 20."""
        if len(self) < 20:
            return self, self
        order = torch.randperm(len(self), generator=generator)
        held = max(1, int(_HELD_OUT * len(self)))
        return self[order[held:]], self[order[:held]]


@torch.no_grad()
def encode(
    encoder: nn.Module,
    dataset: Dataset,
    classes: int,
    limit: int,
    seed: int,
    memory_bytes: int = sys.maxsize,
) -> Encodings:
    """Encodings of at most `limit` training items, drawn by `seed`, by `encoder` in eval mode.

    `classes` is the number of labels the model is conditioned on, 0 for none. Items of more than
    `memory_bytes` lie in a file meanwhile.
    """
    device = next(encoder.parameters()).device
    view = view_of(dataset)
    items, labels = dataset.read("train", limit, seed, memory_bytes)
    means, deviations = [], []
    for start in range(0, len(items), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        known = torch.from_numpy(labels[rows]).to(device) if classes else None
        mean, log_variance = encoder(view(items[rows]).to(device), known)
        means.append(mean.float().cpu())
        deviations.append((0.5 * log_variance.float()).exp().cpu())
    label = torch.from_numpy(labels) if classes else torch.zeros(len(items), dtype=torch.int64)
    return Encodings(torch.cat(means), torch.cat(deviations), label, max(1, classes))
