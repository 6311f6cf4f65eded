"""Figures of interleaved rounds put together."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from aigc.types import Json

RIVALS = "aigc.bench.rivals"
"""The package of what is measured beside us."""


def ratio(rounds: Sequence[Json], one: str, other: str) -> float:
    """Median of the ratios within each round: what disturbs a round disturbs both."""
    ratios: list[float] = [found[one] / found[other] for found in rounds]
    return statistics.median(ratios)
