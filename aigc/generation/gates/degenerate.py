"""Items that hold nothing: not finite, or what their modality counts as nothing."""

from __future__ import annotations

import itertools

from aigc.job.draws import Pictures
from aigc.modalities import MODALITIES, Delivery
from aigc.modalities.base import Mask
from aigc.specs import DegenerateGate

_NOT_FINITE = "not_finite"


def reasons() -> list[str]:
    """Why items of any modality may be refused."""
    found = (modality.delivery.reasons for modality in MODALITIES.values())
    return list(dict.fromkeys([_NOT_FINITE, *itertools.chain(*found)]))


def degenerate(pictures: Pictures, gate: DegenerateGate, delivery: Delivery) -> dict[str, Mask]:
    """Reason to the rows it refuses, bool (N,)."""
    return {_NOT_FINITE: ~pictures.finite} | delivery.degenerate(pictures.pixels, gate)
