"""Pieces of HTML. Whatever comes from outside goes through `text`."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence

from aigc.errors import shown

Html = str
"""Markup; everything in it is escaped."""
_MOST_BARS = 40
_DIGEST = re.compile(r"[0-9a-f]{64}")
_WIDTH, _HEIGHT, _HEADROOM = 880.0, 150.0, 0.92


def text(value: object) -> Html:
    """Any value as text: escaped, in one line, without control characters."""
    return html.escape(shown(str(value)))


def section(number: int, name: str, title: str, body: Html) -> Html:
    return (
        f'<section id="{name}" aria-labelledby="{name}-title">'
        f'<h2 id="{name}-title"><span>{number}</span>{text(title)}</h2>{body}</section>'
    )


def note(words: str) -> Html:
    return f'<p class="note">{text(words)}</p>'


def problem(words: str) -> Html:
    return f'<p class="problem">{text(words[:1].upper() + words[1:])}</p>'


def facts(rows: Iterable[tuple[str, object]]) -> Html:
    """A list of names and values; `None` and empty values are left out."""
    inner = "".join(
        f"<dt>{text(name)}</dt><dd>{_value(value)}</dd>"
        for name, value in rows
        if value not in (None, "")
    )
    return f"<dl>{inner}</dl>"


def _value(value: object) -> Html:
    shown_as = text(value)
    return f"<code>{shown_as}</code>" if _DIGEST.fullmatch(str(value)) else shown_as


def count_of(number: int, one: str) -> str:
    """`1 shard`, `2 shards`."""
    return f"{number:,} {one}{'' if number == 1 else 's'}"


def table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[Html]], numbers: int = 0
) -> Html:
    """`head` is text, the cells are markup; the first one of a row is its heading, the last
    `numbers` are aligned to the right."""
    kinds = ['class="number" '] * numbers
    kinds = [""] * (len(head) - len(kinds)) + kinds
    names = "".join(
        f'<th {kind}scope="col">{text(name)}</th>' for kind, name in zip(kinds, head, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row">{first}</th>'
        + "".join(f"<td {kind}>{cell}</td>" for kind, cell in zip(kinds[1:], rest, strict=True))
        + "</tr>"
        for first, *rest in rows
    )
    return (
        f"<table><caption>{text(caption)}</caption><thead><tr>{names}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def bars(counts: Mapping[str, int], what: str) -> Html:
    """Counts as bars, the most frequent first; of many, the first forty."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    most = max(counts.values(), default=0) or 1
    rows = "".join(
        f'<li><span class="label">{text(name)}</span>'
        f'<span class="bar" aria-hidden="true"><i style="width:{100 * count / most:.1f}%"></i>'
        f'</span><span class="count">{count:,}</span></li>'
        for name, count in ordered[:_MOST_BARS]
    )
    rest = len(ordered) - _MOST_BARS
    more = note(f"{rest:,} more {what} are not shown.") if rest > 0 else ""
    return f'<ul class="bars">{rows}</ul>{more}'


def histogram(
    title: str,
    edges: Sequence[float],
    counts: Sequence[float],
    other: Sequence[float] = (),
    limit: float | None = None,
    caption: Html = "",
) -> Html:
    """Bars of `counts` between `edges`, a line of `other` in the same bins, and a limit."""
    highest = max([*counts, *other, 1e-9])
    low, high = edges[0], edges[-1]
    step = _WIDTH / len(counts)
    shapes = [
        f'<rect class="set" x="{at * step + 0.5:.1f}" y="{_HEIGHT - tall:.1f}" '
        f'width="{max(step - 1, 0.5):.1f}" height="{tall:.1f}"/>'
        for at, count in enumerate(counts)
        if (tall := _HEIGHT * _HEADROOM * count / highest) > 0
    ]
    if other:
        shapes.append(f'<path class="test" d="{_outline(other, highest, step)}"/>')
    if limit is not None and low < limit < high:
        x = _WIDTH * (limit - low) / (high - low)
        shapes.append(f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{_HEIGHT:.0f}"/>')
    ticks = "".join(f"<span>{low + (high - low) * part / 4:.3g}</span>" for part in range(5))
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" preserveAspectRatio="none" '
        f'role="img" aria-label="{text(title)}">{"".join(shapes)}</svg>'
        f'<div class="axis" aria-hidden="true">{ticks}</div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def mark(standing: str, words: str) -> Html:
    """`good`, `bad`, `open` or `rest`, in words and with a sign."""
    return f'<span class="mark {standing}">{text(words)}</span>'


def _outline(values: Sequence[float], highest: float, step: float) -> str:
    parts = [f"M0 {_HEIGHT:.0f}"]
    for at, value in enumerate(values):
        y = _HEIGHT * (1 - _HEADROOM * value / highest)
        parts.append(f"L{at * step:.1f} {y:.1f}H{(at + 1) * step:.1f}")
    return "".join((*parts, f"V{_HEIGHT:.0f}"))
