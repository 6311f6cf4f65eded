"""How much better a discriminator knows the pictures it is trained on than others."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor, nn

from aigc.data.dataset import Dataset
from aigc.specs import TrainSpec
from aigc.training.view import view_of

_BATCH = 64
_LEAST_HELD_OUT = 5
_ERRORS = 2.0
"""Standard errors a difference must exceed to count."""

Pictures = tuple[Tensor, Tensor]
"""float (N, C, H, W) in [-1, 1] and int64 (N,) labels, on the CPU."""


class Margin:
    """Karras et al. 2020 ("Training generative adversarial networks with limited data"), equation
    1: (E[D(train)] - E[D(held out)]) / (E[D(train)] - E[D(fake)]).

    Only differences of verdicts enter, so it means the same under every loss, a relativistic one
    too. 0: both are treated alike; 1: held-out pictures look fake.
    """

    def __init__(
        self, dataset: Dataset, spec: TrainSpec, device: torch.device, discriminator: nn.Module
    ) -> None:
        self._dataset, self._spec, self._device = dataset, spec, device
        self._discriminator = discriminator

    def of(self, fakes: Tensor, labels: Tensor) -> tuple[float, float]:
        """The ratio, and the least that is proved by so few held-out pictures. NaN without five of
        those, or while fakes and training pictures are not told apart."""
        if self._dataset.counts.get("test", 0) < _LEAST_HELD_OUT:
            return math.nan, math.nan
        training = self._discriminator.training
        self._discriminator.eval()
        try:
            train, held_out = self._verdicts(self._train), self._verdicts(self._held_out)
            fake = self._verdicts((fakes, labels))
        finally:
            self._discriminator.train(training)
        gap = float(train.mean() - fake.mean())
        if not gap > _ERRORS * math.hypot(_error(train), _error(fake)):
            return math.nan, math.nan
        missing = float(train.mean() - held_out.mean())
        proved = missing - _ERRORS * math.hypot(_error(train), _error(held_out))
        return missing / gap, proved / gap

    @torch.no_grad()
    def _verdicts(self, given: Pictures) -> Tensor:
        """float64 (N,) logits, in eval mode: the spectral norm's and BatchNorm's state stays."""
        parts = []
        for start in range(0, len(given[0]), _BATCH):
            pictures, label = (each[start : start + _BATCH].to(self._device) for each in given)
            parts.append(self._discriminator(pictures, label).double().cpu())
        return torch.cat(parts)

    @functools.cached_property
    def _train(self) -> Pictures:
        return self._read("train")

    @functools.cached_property
    def _held_out(self) -> Pictures:
        return self._read("test")

    def _read(self, split: str) -> Pictures:
        items, labels = self._dataset.read(split, self._spec.watch.samples, self._spec.seed)
        return view_of(self._dataset)(items), torch.from_numpy(labels)


def _error(values: Tensor) -> float:
    """Standard error of the mean."""
    return float(values.std()) / math.sqrt(len(values))
