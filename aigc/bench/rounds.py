"""Statistics over interleaved rounds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from aigc.types import Json

RIVALS = "aigc.bench.rivals"
"""Package of the alternatives."""


def ratio(rounds: Sequence[Json], one: str, other: str) -> float:
    """Median of the ratios within each round, where disturbances affect both."""
    ratios: list[float] = [found[one] / found[other] for found in rounds]
    return statistics.median(ratios)
