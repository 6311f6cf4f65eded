"""The figures in words: one aligned table for a terminal."""

from __future__ import annotations

from aigc.types import Json

TITLES = {
    "fd": "Fréchet distance",
    "kid": "KID",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "label_agreement": "label agreement",
    "class_imbalance": "class imbalance",
    "class_entropy_bits": "class entropy, bits",
    "modes": "classes made",
    "fid_inception": "Inception FID",
}


def metric_rows(figures: Json) -> list[tuple[str, str, str, str, str]]:
    """(figure, model, 95 % interval, floor, better is) of each figure, as text."""
    rows = []
    for name, figure in figures["figures"].items():
        interval = ""
        if "low" in figure:
            interval = f"{number(name, figure['low'])} – {number(name, figure['high'])}"
        model, baseline = (number(name, figure[side]) for side in ("model", "floor"))
        rows.append((TITLES[name], model, interval, baseline, figure["better"]))
    return rows


def number(name: str, value: float | None) -> str:
    """A figure with the digits that mean something."""
    if value is None:
        return "–"
    match name:
        case "fd" | "fid_inception":
            return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
        case "kid":
            return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"
        case "modes":
            return f"{value:.0f}"
    return f"{value:.3f}"


def as_text(report: Json) -> str:
    """The table, the verdicts and the notes, in plain lines."""
    head = ("figure", "model", "95 % interval", "floor", "better is")
    rows = [head, *metric_rows(report)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(width) if column in (0, 4) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("─" * width for width in widths))
    counts = report["protocol"]["counts"]
    title = report["protocol"].get("words", {}).get("several", "images")
    return "\n".join(
        [
            *lines,
            "",
            f"collapse: {report['collapse']['verdict']}",
            f"memorisation: {report['memorisation']['verdict']}",
            f"{counts['samples']:,} samples against {counts['test']:,} test {title} of "
            f"{report['data']['source']}; floor: {counts['train_floor']:,} train {title}",
            f"features: {report['protocol']['extractor']}; Inception FID: "
            f"{report['protocol']['inception']}",
            *(f"note: {note}" for note in report["notes"]),
        ]
    )
