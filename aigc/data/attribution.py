"""Who made the items of a data set and under which licences: counts, file, lines of the card."""

from __future__ import annotations

import csv
import io
from typing import TypeAlias

from aigc.data.selection import Selection
from aigc.modalities import Source
from aigc.types import Json

FILE = "attribution.csv"
NOT_STATED = "not stated"
_FIELDS = ("licence", "creator")
_CARD_ROWS = 300
_SHOWN_LICENCES = 100
_SHOWN_CREATORS = 10

Rows: TypeAlias = list[tuple[str, str, int]]
"""(licence, creator, items), the most frequent first."""


def count(selection: Selection) -> Rows:
    """Of all items that stay, in either split."""
    kept = selection.index.select(_FIELDS).filter(selection.side >= 0)
    counted = kept.append_column("n", [[1] * len(kept)]).group_by(list(_FIELDS))
    found = counted.aggregate([("n", "sum")]).to_pylist()
    rows = [
        (one["licence"] or NOT_STATED, one["creator"] or NOT_STATED, one["n_sum"]) for one in found
    ]
    return sorted(rows, key=lambda row: (-row[2], row))


def totals(rows: Rows, columns: tuple[str, ...]) -> Json:
    """`licences` and `creators`, the most frequent with their items, and `creator_count`; empty
    where the set has no such column."""
    licences = _sums(rows, 0) if "licence" in columns else {}
    creators = _sums(rows, 1) if "creator" in columns else {}
    return {
        "licences": dict(list(licences.items())[:_SHOWN_LICENCES]),
        "creators": dict(list(creators.items())[:_SHOWN_CREATORS]),
        "creator_count": len(creators.keys() - {NOT_STATED}),
    }


def table(rows: Rows, kind: Source) -> bytes:
    """`attribution.csv`: licence, creator, and how many items, as `images`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("licence", "creator", f"{kind.noun}s"))
    writer.writerows(rows)
    return text.getvalue().encode()


def card(rows: Rows, kind: Source) -> list[str]:
    """Lines of Markdown: a table of creators and licences."""
    shown = [f"| {cell(who)} | {cell(licence)} | {n:,} |" for licence, who, n in rows]
    rest = len(rows) - _CARD_ROWS
    more = ["", f"{rest:,} more stand in `{FILE}`."] if rest > 0 else []
    return [
        "",
        "## Attribution",
        kind.changes(),
        "",
        f"| creator | licence | {kind.noun}s |",
        "|---|---|---:|",
        *shown[:_CARD_ROWS],
        *more,
    ]


def _sums(rows: Rows, field: int) -> dict[str, int]:
    sums: dict[str, int] = {}
    for row in rows:
        sums[str(row[field])] = sums.get(str(row[field]), 0) + row[2]
    return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))


def cell(text: str) -> str:
    """`text` as it can stand in a table of Markdown."""
    return " ".join(text.replace("|", "\\|").split())
