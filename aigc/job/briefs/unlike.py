"""Rows among briefs that are probably none: rows commented out with `#`, and rows of totals."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aigc.conditions.labels import fold
from aigc.job.briefs.sheets import Worksheet
from aigc.job.briefs.values import given, whole

COMMENT = "begins with #, as a comment does; remove the row, or give the brief another name"
_COLOUR = re.compile("#([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})", re.IGNORECASE)
_REMOVE = "remove it, or name its label"
_TOTALS = {
    *("total", "totals", "grandtotal", "subtotal", "sum", "sums", "overall", "insgesamt"),
    *("summe", "gesamt", "gesamtsumme", "zwischensumme", "somme", "totale", "totaal", "suma"),
    *("totalgeneral", "totalgénéral", "итого", "всего", "合計", "合计", "总计", "小計"),
}


@dataclass
class Unlike:
    """Which rows are probably no briefs."""

    reasons: dict[int, str] = field(default_factory=dict)
    """By the row's place in the sheet."""
    unlabelled: int = 0
    """How many others name no label, where some rows do."""


def find(sheet: Worksheet, fields: Mapping[str, str]) -> Unlike:
    """Rows of `sheet` whose first cell begins with #, where not all do; and those of totals:
    named so, or with the sum of all counts above and without a label that others have. `fields`
    says which column holds which field."""
    if not sheet.columns:
        return Unlike()
    first = next(iter(sheet.columns))
    own = first not in fields.values()
    numbered = first not in (fields.get("label"), fields.get("count"))
    comments: list[int] = []
    totals: dict[int, str] = {}
    sums: dict[int, str] = {}
    summed = rows = labelled = 0
    for at, (head, label, prompt, count) in enumerate(_cells(sheet, first, fields)):
        text = head.strip() if isinstance(head, str) else ""
        number = whole(count, sheet.comma) or 0
        rows += 1
        if numbered and text.startswith("#") and not (own and _COLOUR.fullmatch(text)):
            comments.append(at)
        if given(label) is not None or given(prompt) is not None:
            labelled += 1
        elif fold(text.rstrip(": ").replace(" ", "")) in _TOTALS:
            totals[at] = f"{text[:40]!r} looks like a row of totals: {_REMOVE}"
        elif rows > 2 and number and number == summed:
            sums[at] = f"its count is the sum of those above, and it has no label: {_REMOVE}"
        summed += number
    found = Unlike()
    if labelled:
        totals |= sums  # without any label, counts may add up by chance
        found.unlabelled = rows - labelled - len(totals)
    found.reasons |= totals
    if len(comments) < rows:
        found.reasons |= dict.fromkeys(comments, COMMENT)
    return found


def _cells(
    sheet: Worksheet, first: str, fields: Mapping[str, str]
) -> Iterator[tuple[Any, Any, Any, Any]]:
    """The first cell, the label, the prompt and the count of each row."""
    names = [first, *(fields.get(name) for name in ("label", "prompt", "count"))]
    columns: list[Iterator[Any]] = [
        sheet.values(name) if name in sheet.columns else itertools.repeat(None)
        for name in (found or "" for found in names)
    ]
    return zip(*columns, strict=False)
