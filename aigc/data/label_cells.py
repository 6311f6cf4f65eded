"""The classes that the cells of a label column name, and the spellings of these classes.

A column of numbers is one kind of number, however each is written: `1` is `1.0`. Cells such as
`nan` stand for no label.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aigc.conditions.names import class_name
from aigc.data import notes
from aigc.errors import DataError, listed

_MISSING = {
    *("nan", "-nan", "null", "n/a", "#n/a", "#n/a n/a", "#na", "<na>", "nat"),
    *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
}
_MISSING_AS_WRITTEN = {"NA", "None"}
"""Only in these letters: a class may be called `none`."""
_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?", re.ASCII)
_WHOLE = re.compile(r"([-+]?\d+)\.0*", re.ASCII)
_MOST_TOLD = 3


def is_missing(text: str) -> bool:
    """Whether a cell stands for none, as pandas, R and spreadsheet programs write it."""
    text = text.strip()
    return not text or text in _MISSING_AS_WRITTEN or text.lower() in _MISSING


def text_of(cell: Any) -> str:
    """A label cell as it is spelled; empty for None and NaN. Whole numbers have no fraction, as
    pandas writes them as floats where some are missing; true and false are in small letters.

    Raises:
        RejectError: a list or other structure, or not valid Unicode.
    """
    if isinstance(cell, str):
        notes.text(cell, "label")
        return cell
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float | Decimal):
        if math.isnan(cell):
            return ""
        cell = int(cell) if math.isfinite(cell) and cell == int(cell) else str(cell)
    return notes.text(cell, "label") or ""


def namer(spellings: Iterable[str], where: str) -> Callable[[str], str]:
    """The function from a cell's spelling to its class; "" for a cell without a label.

    Where all of the column's `spellings` are numbers, those with `.0` are whole ones.

    Raises:
        DataError: all are numbers, and one is below 0.
    """
    names = [class_name(text) for text in spellings if not is_missing(text)]
    if not all(map(_NUMBER.fullmatch, names)):
        return lambda text: "" if is_missing(text) else class_name(text)
    if below := min((name for name in names if name.startswith("-")), default=""):
        raise DataError(
            f"{where} has the label {below}; labels below 0 often mean that there is none: write "
            "names, or leave the cell empty"
        )
    return lambda text: "" if is_missing(text) else _whole(class_name(text))


def _whole(name: str) -> str:
    found = _WHOLE.fullmatch(name)
    return found[1] if found else name


@dataclass
class Spellings:
    """How a source spells each of its classes."""

    of: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    missing: Counter[str] = field(default_factory=Counter)
    """Cells that stand for no label but are not empty, and in how many rows."""

    def add(self, spelled: str, name: str, rows: int = 1) -> None:
        """A cell or folder of the class `name`; of no class where that is empty."""
        if name:
            self.of[name].add(spelled)
        elif spelled.strip():
            self.missing[spelled.strip()] += rows

    def update(self, other: Spellings) -> None:
        for name, spelled in other.of.items():
            self.of[name] |= spelled
        self.missing += other.missing

    @property
    def told(self) -> list[str]:
        """Which classes have several spellings, and which cells count as no label."""
        several = {name: sorted(found) for name, found in self.of.items() if len(found) > 1}
        parts = []
        for name, found in sorted(several.items())[:_MOST_TOLD]:
            ways = listed(list(map(_visible, found)), 5)
            parts.append(f"class {name} is spelled in {len(found):,} ways ({ways})")
        if len(several) > _MOST_TOLD:
            parts.append(f"{len(several) - _MOST_TOLD:,} more classes in several ways")
        if self.missing:
            cells = [
                f"{_visible(cell)} ({count:,})" for cell, count in sorted(self.missing.items())
            ]
            parts.append(f"read as no label: {listed(cells, 5)}")
        return parts


def alike(names: Iterable[str]) -> list[str]:
    """Which classes differ in nothing but case or leading zeros."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        key = name.casefold()
        groups[(key.lstrip("0") or "0") if key.isdecimal() else key].append(name)
    several = [sorted(group) for group in groups.values() if len(group) > 1]
    parts = [
        f"classes {listed(list(map(_visible, group)), 5)} differ only in "
        f"{'leading zeros' if group[0].isdecimal() else 'case'} and stay apart"
        for group in sorted(several)[:_MOST_TOLD]
    ]
    more = len(several) - _MOST_TOLD
    return [*parts, f"{more:,} more such groups"] if more > 0 else parts


def _visible(text: str) -> str:
    """In quotes; letters that do not show or combine with others as escapes."""
    return repr(text) if class_name(text) == text else ascii(text)
