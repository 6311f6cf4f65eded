"""Telling a run that can still become good from one that cannot."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from aigc.specs import GanModel, TrainSpec

_SATURATED_LOSS = 1e-3
_COLLAPSED_SPREAD = 0.02
_ALIVE_SPREAD = 0.1
_PATIENCE = 10
_WARM_UP_STEPS = 200
_LATE_STEPS = 5000


def spread(pictures: Tensor, label: Tensor) -> Tensor:
    """How much pictures (B, C, H, W) of one class differ: the standard deviation per pixel about
    their class's mean, a scalar. 0 when every class is one picture."""
    flat = pictures.detach().float().flatten(1)
    classes, member = torch.unique(label, return_inverse=True)
    sums = flat.new_zeros(len(classes), flat.shape[1]).index_add_(0, member, flat)
    counts = torch.bincount(member, minlength=len(classes)).clamp_min(1)
    deviation = flat - (sums / counts[:, None])[member]
    freedom = max(1, len(flat) - len(classes))
    return (deviation.square().sum() / (freedom * flat.shape[1])).sqrt()


class Health:
    """Reads the logged figures; `complaint` says in words why the run should stop."""

    def __init__(self, spec: TrainSpec) -> None:
        self._model = spec.model
        self._saturated = 0
        self._collapsed = 0
        self._peak_spread = 0.0

    def complaint(self, step: int, figures: dict[str, float]) -> str | None:
        """None while all is well. Saturation and collapse must last ten checks in a row.

        Every generator begins with pictures that are nearly alike, so a small spread is a collapse
        only after a larger one, or late.
        """
        for name, value in sorted(figures.items()):
            if not math.isfinite(value):
                return f"{name} is {value}"
        if not isinstance(self._model, GanModel) or step < _WARM_UP_STEPS:
            return None
        lost = self._model.loss != "wasserstein" and figures["d_loss"] < _SATURATED_LOSS
        self._saturated = self._saturated + 1 if lost else 0
        self._peak_spread = max(self._peak_spread, figures["spread"])
        grown = self._peak_spread >= _ALIVE_SPREAD or step >= _LATE_STEPS
        alike = grown and figures["spread"] < _COLLAPSED_SPREAD
        self._collapsed = self._collapsed + 1 if alike else 0
        if self._saturated >= _PATIENCE:
            return (
                f"the discriminator has won (its loss stayed below {_SATURATED_LOSS:g}), so the "
                "generator learns nothing"
            )
        if self._collapsed >= _PATIENCE:
            return (
                "the generator has collapsed: pictures of a class vary by less than "
                f"{_COLLAPSED_SPREAD:.0%} of what real ones do"
            )
        return None
