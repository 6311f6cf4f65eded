"""What a maker may be asked for: parsing, the schedule over items, columns, the network's input."""

from __future__ import annotations

from collections.abc import Mapping

from aigc.conditions.base import Condition, Conditions, Facts, Schedule, Values
from aigc.conditions.label import LABEL

__all__ = ["CONDITIONS", "Condition", "Conditions", "Facts", "Schedule", "Values", "conditions_of"]

CONDITIONS: dict[str, Condition] = {"label": LABEL}


def conditions_of(values: Mapping[str, Values], rows: int) -> Conditions:
    """What a generator is given of `values` (rows,) by condition, on the CPU."""
    return Conditions(rows, {name: CONDITIONS[name].tensor(each) for name, each in values.items()})
