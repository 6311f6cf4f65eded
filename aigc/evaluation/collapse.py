"""Mode collapse: says whether samples leave out much of what the data holds, and by which signs.

The limits are shares of what real images reach against each other (the floor), set between runs
seen on Fashion-MNIST: a collapsed DCGAN had recall .004 and coverage .12, the weakest healthy model
recall .14 and coverage .24, against a floor of .90 and .97.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from aigc.evaluation.prdc import Prdc
from aigc.types import Json

RECALL_LIMIT = 0.05
COVERAGE_LIMIT = 0.2
SPREAD_LIMIT = 0.3
REPEATED_LIMIT = 0.1


def similarity(model: Prdc, baseline: Prdc) -> Json:
    """How alike samples are among themselves, against real images among themselves.

    `spread`: median distance to the k-th neighbour in the same set, over that of real images.
    `repeated`: share of samples nearer to others than half of what the nearest 1 % of real images
    are.
    """
    limit = float(np.quantile(baseline.real_radii, 0.01)) / 2
    real = float(np.median(baseline.real_radii))
    return {
        "spread": {
            "model": float(np.median(model.sample_radii)) / max(real, 1e-12),
            "floor": float(np.median(baseline.sample_radii)) / max(real, 1e-12),
        },
        "repeated": {
            "model": float((model.sample_radii < limit).mean()),
            "floor": float((baseline.sample_radii < limit).mean()),
        },
    }


def collapse_metrics(figures: Mapping[str, Any], alike: Json, missing: list[str] | None) -> Json:
    """The verdict line with its reasons. `missing`: classes hardly ever made, None if unknown."""
    signs = [
        _below("recall", figures["recall"], RECALL_LIMIT),
        _below("coverage", figures["coverage"], COVERAGE_LIMIT),
        _below("spread", alike["spread"], SPREAD_LIMIT),
    ]
    repeated = alike["repeated"]["model"]
    if repeated > max(REPEATED_LIMIT, 5 * alike["repeated"]["floor"]):
        signs.append(f"{repeated:.0%} of samples are near copies of each other")
    if missing:
        more = f" and {len(missing) - 5} other classes" if len(missing) > 5 else ""
        signs.append(f"almost no samples of {', '.join(missing[:5])}{more}")
    reasons = [sign for sign in signs if sign]
    return {
        "verdict": f"suspected: {'; '.join(reasons)}" if reasons else "none",
        "reasons": reasons,
        **alike,
    }


def _below(name: str, figure: Mapping[str, float], limit: float) -> str:
    if figure["model"] >= limit * figure["floor"]:
        return ""
    return f"{name} {figure['model']:.3f} is under {limit:.0%} of the floor {figure['floor']:.2f}"
