"""Items that hold nothing: not finite, or what their modality counts as nothing."""

from __future__ import annotations

import itertools

from aigc.job.keys import Samples
from aigc.modalities import MODALITIES, Delivery
from aigc.modalities.delivery import Mask
from aigc.specs import DegenerateGate

_NOT_FINITE = "not_finite"


def reasons() -> list[str]:
    """Why items of any modality may be refused."""
    found = (modality.delivery.reasons for modality in MODALITIES.values())
    return list(dict.fromkeys([_NOT_FINITE, *itertools.chain(*found)]))


def degenerate(samples: Samples, gate: DegenerateGate, delivery: Delivery) -> dict[str, Mask]:
    """Reason to the rows it refuses, bool (N,)."""
    found = delivery.degenerate(samples.items, {n: getattr(gate, n) for n in delivery.limits})
    return {_NOT_FINITE: ~samples.finite} | found
