"""Telling a run that can still become good from one that cannot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from aigc.families.adversarial import AdversarialTerms
from aigc.specs import TrainSpec
from aigc.types import Json

Kind = Literal["diverged", "collapse", "overfitting"]

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


@dataclass(frozen=True)
class HealthVerdict:
    """That a run has gone wrong."""

    kind: Kind
    reason: str
    """Why, with the figures, for the user."""


class Health:
    """Reads the figures of training batches, which cost nothing: `verdict` says what is wrong.

    It sees a number that is not finite at once, and a generator or discriminator that has given up
    after ten checks; what only the averaged model shows is for `Watch`.
    """

    def __init__(self, spec: TrainSpec, state: Json | None = None) -> None:
        self._model: object = spec.model
        known = state or {}
        self._saturated: int = known.get("saturated", 0)
        self._collapsed: int = known.get("collapsed", 0)
        self._peak_spread: float = known.get("peak_spread", 0.0)

    def to_json(self) -> Json:
        """For a resumed run: `state`."""
        return {
            "saturated": self._saturated,
            "collapsed": self._collapsed,
            "peak_spread": self._peak_spread,
        }

    def verdict(self, step: int, figures: dict[str, float]) -> HealthVerdict | None:
        """None while all is well. Saturation and collapse must last ten checks in a row.

        Every generator begins with pictures that are nearly alike, so a small spread is a collapse
        only after a larger one, or late.
        """
        for name, value in sorted(figures.items()):
            if not math.isfinite(value):
                return HealthVerdict("diverged", f"{name} is {value}")
        model = self._model
        if not isinstance(model, AdversarialTerms) or step < _WARM_UP_STEPS:
            return None
        lost = model.loss != "wasserstein" and figures["d_loss"] < _SATURATED_LOSS
        self._saturated = self._saturated + 1 if lost else 0
        self._peak_spread = max(self._peak_spread, figures["spread"])
        grown = self._peak_spread >= _ALIVE_SPREAD or step >= _LATE_STEPS
        alike = grown and figures["spread"] < _COLLAPSED_SPREAD
        self._collapsed = self._collapsed + 1 if alike else 0
        return self._complete()

    def _complete(self) -> HealthVerdict | None:
        if self._saturated >= _PATIENCE:
            return HealthVerdict(
                "collapse",
                f"the discriminator is too strong (its loss stayed below "
                f"{_SATURATED_LOSS:g}), so the generator learns nothing",
            )
        if self._collapsed >= _PATIENCE:
            return HealthVerdict(
                "collapse",
                "the generator has collapsed: the variation within a class is below "
                f"{_COLLAPSED_SPREAD:.0%} of that of real images",
            )
        return None
