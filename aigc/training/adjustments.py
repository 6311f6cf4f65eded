"""What remedies change while a run lasts: factors on top of the spec, the same on every worker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from aigc.specs import Remedy
from aigc.types import Json

_LR, _PENALTY, _AUGMENT = 0.5, 2.0, 0.25


@dataclass(frozen=True)
class Adjustments:
    """Kept in each checkpoint, so a resumed run goes on with the same."""

    lr: float = 1.0
    """Factor of the learning rate."""
    penalty: float = 1.0
    """Factor of the gradient penalties' weights."""
    augment: float = 0.0
    """Added to the probability of augmentation, which stays at most 1."""

    def after(self, remedies: Iterable[Remedy]) -> Adjustments:
        """These with each of `remedies` applied once more."""
        lr, penalty, augment = self.lr, self.penalty, self.augment
        for remedy in remedies:
            if remedy == "lower_lr":
                lr *= _LR
            elif remedy == "raise_penalty":
                penalty *= _PENALTY
            elif remedy == "raise_augment":
                augment = min(1.0, augment + _AUGMENT)
        return Adjustments(lr, penalty, augment)

    def to_json(self) -> Json:
        return asdict(self)
