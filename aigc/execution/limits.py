"""Limits on the cost and time of a running job."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import monotonic

from aigc.specs import Budget

_MARGIN = 1.25


class Limits:
    """Counts cost from its creation: `nodes()` x hours x the budget's price."""

    def __init__(self, budget: Budget, nodes: Callable[[], int]) -> None:
        self._budget, self._nodes = budget, nodes
        self._started = self._counted = monotonic()
        self._cost = 0.0

    @property
    def elapsed_s(self) -> float:
        return monotonic() - self._started

    def reached(self) -> str | None:
        """The limit that is reached, as `budget.max_wall_s = 60`; None while there is none."""
        now, budget = monotonic(), self._budget
        if budget.max_cost is not None:
            self._cost += self._price(now - self._counted)
        self._counted = now
        if budget.max_wall_s is not None and now - self._started > budget.max_wall_s:
            return f"budget.max_wall_s = {budget.max_wall_s:g}"
        if budget.max_cost is not None and self._cost > budget.max_cost:
            return f"budget.max_cost = {budget.max_cost:g}"
        return None

    def enough(self, seconds: float) -> str:
        """The field to raise for a run of `seconds`, and a sufficient value."""
        seconds *= _MARGIN
        if self._budget.max_wall_s is not None and self._budget.max_wall_s < seconds:
            return f"budget.max_wall_s to {math.ceil(seconds)} or more"
        return f"budget.max_cost to {float(f'{self._price(seconds):.2g}'):g} or more"

    def _price(self, seconds: float) -> float:
        return (self._budget.price_per_node_hour or 0.0) * self._nodes() * seconds / 3600
