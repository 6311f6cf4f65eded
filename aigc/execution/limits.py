"""What a job may cost, watched while it runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import monotonic

from aigc.specs import Budget

_MARGIN = 1.25


class Limits:
    """Cost is counted from now on: `nodes()` at work, by the hour, at the price of the budget."""

    def __init__(self, budget: Budget, nodes: Callable[[], int]) -> None:
        self._budget, self._nodes = budget, nodes
        self._started = self._counted = monotonic()
        self._cost = 0.0

    @property
    def elapsed_s(self) -> float:
        return monotonic() - self._started

    def reached(self) -> str | None:
        """Which limit a job has come to, as `budget.max_wall_s = 60`; None while it may go on."""
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
        """The field that has to be raised for a run of so many seconds, and to what."""
        seconds *= _MARGIN
        if self._budget.max_wall_s is not None and self._budget.max_wall_s < seconds:
            return f"budget.max_wall_s to {math.ceil(seconds)} or more"
        return f"budget.max_cost to {float(f'{self._price(seconds):.2g}'):g} or more"

    def _price(self, seconds: float) -> float:
        return (self._budget.price_per_node_hour or 0.0) * self._nodes() * seconds / 3600
