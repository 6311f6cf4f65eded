"""Conditions: properties of an item that a user can set, such as its label.

A condition parses values, spreads them over items, fills columns and builds the network's input.
"""

from __future__ import annotations

from collections.abc import Mapping

from aigc.conditions.base import Condition, Conditions, Facts, Schedule, Values
from aigc.conditions.label import LABEL

__all__ = ["CONDITIONS", "Condition", "Conditions", "Facts", "Schedule", "Values", "conditions_of"]

CONDITIONS: dict[str, Condition] = {"label": LABEL}


def conditions_of(values: Mapping[str, Values], rows: int) -> Conditions:
    """The generator's input for `values` (rows,), a mapping from condition to array; on the CPU."""
    return Conditions(rows, {name: CONDITIONS[name].tensor(each) for name, each in values.items()})
