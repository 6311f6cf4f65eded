"""Who made the items of a data set and under which licences: counts, file, lines of the card."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TypeAlias

import pyarrow as pa

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
    return count_rows(selection.index.filter(selection.side >= 0))


def count_rows(kept: pa.Table) -> Rows:
    """Of the rows of a table with the columns licence and creator."""
    rows = [(*_texts(one, _FIELDS), n) for one, n in _counted(kept, _FIELDS)]
    return sorted(rows, key=lambda row: (-row[2], row))  # type: ignore[arg-type]


def with_sources(kept: pa.Table) -> list[tuple[str, ...]]:
    """(licence, creator, source, items) of the rows of a table, each as text, in order."""
    fields = (*_FIELDS, "source")
    rows = [(*_texts(one, fields), str(n)) for one, n in _counted(kept, fields)]
    return sorted(rows)


def _counted(kept: pa.Table, fields: Sequence[str]) -> list[tuple[Json, int]]:
    plain = kept.select(list(fields))
    counted = plain.append_column("n", [[1] * len(plain)]).group_by(list(fields))
    return [(one, one["n_sum"]) for one in counted.aggregate([("n", "sum")]).to_pylist()]


def _texts(row: Json, fields: Sequence[str]) -> tuple[str, ...]:
    return tuple(row[name] or NOT_STATED for name in fields)


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


def summary(info: Json) -> Json:
    """What a model and its sets say of a data set's rights, from its `dataset.json`."""
    names = ("source", "source_url", "licence", "licences", "creators", "creator_count", "digest")
    found = {name: info.get(name) for name in (*names, "counts", "forgotten")}
    found["rights"] = info.get("spec", {}).get("rights")
    return {name: value for name, value in found.items() if value is not None}


def in_words(found: Json) -> str:
    """A `summary` in Markdown: licences with counts, creators, and where they are named."""
    stated = found.get("licence") or NOT_STATED
    lines = [f"- Training data: {cell(found['source'])}, licence {cell(stated)}"]
    licences = found.get("licences") or {}
    if licences:
        counts = ", ".join(f"{cell(name)} ({count:,})" for name, count in licences.items())
        lines.append(f"- Licences of its items: {counts}")
    if creators := found.get("creator_count"):
        lines.append(f"- Creators: {creators:,}, named with their licences in `{FILE}`")
    elif licences:
        lines.append(f"- `{FILE}` lists them")
    return "".join(f"{line}\n" for line in lines)


def table(rows: Sequence[tuple[object, ...]], kind: Source) -> bytes:
    """`attribution.csv`: licence, creator, the source where rows have one, and how many items, as
    `images`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = (*_FIELDS, "source")[: len(rows[0]) - 1]
    writer.writerow((*names, f"{kind.noun}s"))
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
