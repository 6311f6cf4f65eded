"""What a maker may be asked for: parsing, the schedule over items, columns, the network's input."""

from __future__ import annotations

from aigc.conditions.base import Condition, Conditions, Facts, Schedule, Values
from aigc.conditions.label import LABEL

__all__ = ["CONDITIONS", "Condition", "Conditions", "Facts", "Schedule", "Values"]

CONDITIONS: dict[str, Condition] = {"label": LABEL}
