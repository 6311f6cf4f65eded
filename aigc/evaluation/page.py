"""An evaluation on one page: verdicts, figures beside their floor, samples, classes, pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aigc.evaluation.canvas import (
    AMBER,
    AMBER_LIGHT,
    BLUE,
    FAINT,
    GREEN,
    GREEN_LIGHT,
    GREY,
    INK,
    MUTED,
    Canvas,
)
from aigc.evaluation.table import TITLES, number
from aigc.types import Json, Labels, UInt8Images

_WIDTH, _EDGE = 1100, 44
_INNER = _WIDTH - 2 * _EDGE
_GRID_X = 600
_MAX_CLASSES = 12


@dataclass(frozen=True)
class Pairs:
    """Samples, the training images nearest to them, and the distances (N,) in their levels."""

    samples: UInt8Images
    originals: UInt8Images
    distances: npt.NDArray[np.float32]


def draw_page(
    figures: Json,
    pixels: UInt8Images,
    labels: Labels | None,
    names: tuple[str, ...],
    pairs: Pairs,
    title: str,
    subtitle: str,
) -> bytes:
    """The page as a PNG; `figures` as `evaluate_samples` returns them."""
    page = Canvas(_WIDTH)
    page.text(_EDGE, 46, title, 26)
    page.text(_EDGE, 76, subtitle, 13, MUTED)
    y = _verdicts(page, 100, figures)
    below_table = _figures(page, y, figures["figures"])
    below_grid = _samples(page, y, pixels, labels, names, figures["protocol"]["words"])
    y = max(below_table, below_grid) + 16
    if figures["classes"] is not None:
        y = _classes(page, y, figures["classes"]["per_class"])
    count, words = figures["memorisation"]["training_images"], figures["protocol"]["words"]
    y = _pairs(page, y, pairs, count, words)
    y = _footer(page, y, figures)
    return page.png(y + 24)


def _verdicts(page: Canvas, y: float, figures: Json) -> float:
    for name in ("collapse", "memorisation"):
        verdict = figures[name]["verdict"]
        fine = verdict == "none"
        page.box(_EDGE, y, _INNER, 30, GREEN_LIGHT if fine else AMBER_LIGHT, 6)
        page.box(_EDGE, y, 5, 30, GREEN if fine else AMBER, 2)
        shown = page.shorten(f"{name}: {verdict}", _INNER - 36, 13)
        page.text(_EDGE + 18, y + 15, shown, 13, GREEN if fine else AMBER)
        y += 38
    return y + 14


def _heading(page: Canvas, x: float, y: float, text: str, note: str = "") -> float:
    width = page.text(x, y + 8, text, 16)
    page.text(x + width + 12, y + 9, note, 11, MUTED)
    return y + 32


def _figures(page: Canvas, y: float, figures: Mapping[str, Any]) -> float:
    columns = {"model": 278, "95 %": 388, "floor": 452, "better is": 536}
    y = _heading(page, _EDGE, y, "Figures")
    for name, x in columns.items():
        page.text(_EDGE + x - 20, y, name, 11, MUTED, "right")
    y += 16
    for name, figure in figures.items():
        page.box(_EDGE, y, 516, 1, FAINT)
        middle = y + 16
        page.text(_EDGE, middle, TITLES[name], 13)
        page.text(_EDGE + 258, middle, number(name, figure["model"]), 14, INK, "right")
        if "low" in figure:
            interval = f"{number(name, figure['low'])} – {number(name, figure['high'])}"
            page.text(_EDGE + 368, middle, interval, 10, MUTED, "right")
        page.text(_EDGE + 432, middle, number(name, figure["floor"]), 14, MUTED, "right")
        page.text(_EDGE + 516, middle, figure["better"].removeprefix("near "), 10, MUTED, "right")
        y += 32
    return y


def _samples(
    page: Canvas,
    y: float,
    pixels: UInt8Images,
    labels: Labels | None,
    names: tuple[str, ...],
    words: Json,
) -> float:
    shown = words["picture"]
    drawn = "" if shown == words["one"] else f", as {shown}s"
    y = _heading(page, _GRID_X, y, "Samples", f"the first of each class, not chosen{drawn}")
    width = _WIDTH - _EDGE - _GRID_X
    if labels is None or not names:
        side = width / 10 - 3
        for index, image in enumerate(pixels[:100]):
            row, column = divmod(index, 10)
            page.picture(_GRID_X + column * (side + 3), y + row * (side + 3), side, image)
        return y + 10 * (side + 3)
    made = [label for label in range(len(names)) if (labels == label).any()][:_MAX_CLASSES]
    margin, side = 92.0, 36.0
    for label in made:
        page.text(_GRID_X, y + side / 2, _short(names[label]), 11, MUTED)
        for column, index in enumerate(
            np.flatnonzero(labels == label)[: int((width - margin) // 39)]
        ):
            page.picture(_GRID_X + margin + column * (side + 3), y, side, pixels[index])
        y += side + 3
    return y


def _classes(page: Canvas, y: float, rows: list[Json]) -> float:
    half = (_INNER - 40) / 2
    right = _EDGE + half + 40
    _heading(page, right, y, "Fréchet distance by class", "blue: model, grey: floor")
    y = _heading(page, _EDGE, y, "Label agreement by class", "blue: model, grey: the test split")
    longest = max((row["fd"] or 0 for row in rows), default=0) or 1
    for row in rows[: 2 * _MAX_CLASSES]:
        share = row["agreement"] if row["agreement"] is not None else row["predicted"]
        _bars(page, _EDGE, y, half, row["label"], (share, row["agreement_floor"]), 1, "{:.0%}")
        _bars(page, right, y, half, row["label"], (row["fd"], row["fd_floor"]), longest, "{:,.0f}")
        y += 26
    return y + 18


def _bars(
    page: Canvas,
    x: float,
    y: float,
    width: float,
    name: str,
    values: tuple[float | None, float | None],
    longest: float,
    form: str,
) -> None:
    margin = 92
    room = width - margin - 44
    page.text(x, y + 10, _short(name), 11, MUTED)
    page.box(x + margin, y + 2, room, 17, "#f5f6f8", 3)
    for value, top, height, colour in zip(values, (3, 13), (9, 5), (BLUE, GREY), strict=True):
        if value is not None:
            page.box(x + margin, y + top, room * value / longest, height, colour, 2)
    shown = "–" if values[0] is None else form.format(values[0])
    page.text(x + width, y + 10, shown, 12, INK, "right")


def _pairs(page: Canvas, y: float, pairs: Pairs, count: int, words: Json) -> float:
    note = f"of {count:,}; the ten closest pairs, difference in {words['level']}s (rms)"
    y = _heading(page, _EDGE, y, f"Samples and their nearest training {words['several']}", note)
    step = (_INNER - 84) / 10
    side = step - 10
    page.text(_EDGE, y + side / 2, "sample", 11, MUTED)
    page.text(_EDGE, y + side * 1.5 + 4, f"training {words['one']}", 11, MUTED)
    rows = zip(pairs.samples, pairs.originals, pairs.distances, strict=True)
    for column, (sample, original, distance) in enumerate(rows):
        x = _EDGE + 84 + column * step
        page.picture(x, y, side, sample)
        page.picture(x, y + side + 4, side, original)
        page.text(x + side / 2, y + 2 * side + 18, f"{distance:.1f}", 11, MUTED, "centre")
    return y + 2 * side + 46


def _footer(page: Canvas, y: float, figures: Json) -> float:
    protocol, counts = figures["protocol"], figures["protocol"]["counts"]
    several = protocol["words"]["several"]
    page.box(_EDGE, y, _INNER, 1, FAINT)
    lines = [
        f"Data: {figures['data']['source']}, digest {figures['data']['digest'][:12]}. "
        f"{counts['samples']:,} samples against {counts['test']:,} test {several}; floor: "
        f"{counts['train_floor']:,} train {several} against the same. Precision, recall, density, "
        f"coverage: k = {protocol['neighbours']} on {counts['prdc']:,} each. "
        f"Features: {protocol['extractor']}. Seed {protocol['seed']}. "
        f"Inception FID: {protocol['inception']}.",
        *(f"Note: {note}." for note in figures["notes"]),
    ]
    y += 18
    for line in lines:
        y = page.lines(_EDGE, y, line, _INNER, 11, MUTED)
    return y


def _short(name: str) -> str:
    return name if len(name) <= 14 else f"{name[:13]}…"
