"""A finished job on one page: how fast it went, what came out, what was refused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from itertools import islice

import numpy as np
import pyarrow.parquet as pq

from aigc import storage
from aigc.evaluation.canvas import BLUE, FAINT, GREY, MUTED, Canvas
from aigc.job.plan import Job
from aigc.modalities import MODALITIES
from aigc.types import Json, ShardRecord, Span, UInt8Images

_WIDTH, _EDGE = 1000, 40
_INNER = _WIDTH - 2 * _EDGE
_BINS = 60
_SCORE_BINS = 40
_SCORE_SHARDS = 32
_LABELS_SHOWN = 24
_PREVIEW_CELLS = 24
_PAUSE_S, _PAUSE_SPANS = 20.0, 4
"""Nobody at work for so long, and for so many times as long as shards take at most: a pause."""


def files(
    out: str, job: Job, records: Mapping[int, ShardRecord], preview: UInt8Images
) -> dict[str, bytes]:
    """report.json and report.png, which lie beside the set.

    `preview` (N, H, W, C) is shown as far as there is room.
    """
    figures = summarise(out, job, records)
    text = json.dumps(figures, indent=1).encode()
    return {"report.json": text, "report.png": draw(job, figures, preview)}


def summarise(out: str, job: Job, records: Mapping[int, ShardRecord]) -> Json:
    """Figures of the whole job. Its time goes from the first shard's beginning to the last commit,
    without the pauses between one run and the next."""
    found = list(records.values())
    spans, pauses_s = _without_pauses([span for record in found for span in _spans(record)])
    wall_s = max(start + took for start, took in spans)
    labels, refused, hosts = Counter[str](), Counter[str](), Counter[str]()
    for record in found:
        labels.update(record.labels)
        refused.update(record.refused)
        hosts[record.host] += record.rows
    slowest = sorted(found, key=lambda record: record.wall_s, reverse=True)[:5]
    return {
        "model": job.model,
        "items": job.count,
        "size_bytes": sum(record.size_bytes for record in found),
        "shards": len(found),
        "wall_s": round(wall_s, 1),
        "pauses_s": round(pauses_s, 1),
        "items_per_s": round(job.count / wall_s, 1) if wall_s else None,
        "throughput": _throughput(found, spans, wall_s),
        "labels": dict(sorted(labels.items())),
        "refused": dict(sorted(refused.items())),
        "accepted_share": round(job.count / (job.count + refused.total()), 4),
        "scores": _scores(out, job, records),
        "hosts": dict(sorted(hosts.items())),
        "slowest_shards": [
            {"shard": record.shard, "wall_s": record.wall_s, "host": record.host}
            for record in slowest
        ],
    }


def draw(job: Job, figures: Json, preview: UInt8Images) -> bytes:
    """The page as a PNG."""
    page = Canvas(_WIDTH)
    title = MODALITIES[job.modality].title
    page.text(_EDGE, 44, f"{figures['items']:,} {title} by {job.model}", 24)
    page.text(_EDGE, 72, _subtitle(job, figures), 12, MUTED)
    y = _chart(page, 104, "Throughput", f"{title}/s over the job's time", _rates(figures))
    if figures["scores"]:
        note = "realism score, lowest to highest"
        y = _chart(page, y, "Scores", note, figures["scores"]["counts"])
    y = _bars(page, y, "Labels", figures["labels"])
    y = _bars(page, y, "Refused by gates", figures["refused"])
    return page.png(_preview(page, y, preview) + 20)


def _subtitle(job: Job, figures: Json) -> str:
    title = MODALITIES[job.modality].title
    rate = f", {figures['items_per_s']:,.0f} {title}/s" if figures["items_per_s"] else ""
    return (
        f"{figures['size_bytes'] / 1e6:,.1f} MB in {figures['shards']:,} files, "
        f"{figures['wall_s']:,.0f} s{rate} on {len(figures['hosts'])} host(s) | seed {job.seed}, "
        f"{job.delivery.described(job.form)} | digest {job.model_digest[:12]}"
    )


def _spans(record: ShardRecord) -> list[Span]:
    return [*record.earlier, (record.started_at, record.wall_s)]


def _without_pauses(spans: list[Span]) -> tuple[list[Span], float]:
    """`spans` from 0 on, in their order, with long gaps in which there was none cut out, and how
    long these were together."""
    least_s = max(_PAUSE_S, _PAUSE_SPANS * max(took for _, took in spans))
    found, cut_s = list(spans), 0.0
    begun = end = min(spans)[0]
    for at in sorted(range(len(spans)), key=lambda at: spans[at]):
        start, took = spans[at]
        cut_s += start - end if start - end > least_s else 0.0
        found[at] = (start - begun - cut_s, took)
        end = max(end, start + took)
    return found, cut_s


def _throughput(records: list[ShardRecord], spans: list[Span], wall_s: float) -> list[Json]:
    """Items a second in equal stretches of the job's time; a shard's items are spread over its
    `spans`, which stand in the order of the records."""
    if wall_s <= 0:
        return []
    edges = np.linspace(0, wall_s, min(_BINS, max(2, len(records))) + 1)
    items, left = np.zeros(len(edges) - 1), iter(spans)
    for record in records:
        own = [(start, max(took, 1e-3)) for start, took in islice(left, 1 + len(record.earlier))]
        whole_s = sum(took for _, took in own)
        for start, took in own:
            inside = np.minimum(edges[1:], start + took) - np.maximum(edges[:-1], start)
            items += record.rows * np.clip(inside, 0, None) / whole_s
    rates = items / np.diff(edges)
    return [
        {"at_s": round(float(at), 2), "items_per_s": round(float(rate), 1)}
        for at, rate in zip(edges[:-1], rates, strict=True)
    ]


def _scores(out: str, job: Job, records: Mapping[int, ShardRecord]) -> Json | None:
    """A histogram over some shards, evenly spread; None when the job keeps no scores, or keeps them
    in tar files between the pictures, which would all be read again."""
    if "scores" not in job.include or job.writer == "webdataset":
        return None
    numbers = sorted(records)[:: max(1, len(records) // _SCORE_SHARDS)]
    parts = []
    for number in numbers:
        with storage.open_input(storage.join(out, records[number].file)) as source:
            parts.append(pq.read_table(source, columns=["score"])["score"].to_numpy())
    scores = np.concatenate(parts)
    scores = scores[np.isfinite(scores)]
    if not len(scores):
        return None
    counts, edges = np.histogram(scores, bins=_SCORE_BINS)
    return {"edges": [round(float(edge), 4) for edge in edges], "counts": counts.tolist()}


def _rates(figures: Json) -> list[float]:
    return [point["items_per_s"] for point in figures["throughput"]]


def _chart(page: Canvas, y: float, title: str, note: str, values: list[float]) -> float:
    if not values or not max(values):
        return y
    width = page.text(_EDGE, y, title, 15)
    page.text(_EDGE + width + 10, y + 1, note, 11, MUTED)
    top, height, step = y + 18, 110.0, _INNER / len(values)
    page.box(_EDGE, top, _INNER, height, "#f7f8fa", 4)
    highest = max(values)
    for at, value in enumerate(values):
        tall = height * 0.82 * value / highest
        page.box(_EDGE + at * step + 1, top + height - tall, max(step - 2, 1), tall, BLUE, 1)
    page.text(_EDGE + _INNER - 6, top + 9, f"highest {highest:,.0f}", 11, MUTED, "right")
    return top + height + 28


def _bars(page: Canvas, y: float, title: str, counts: Mapping[str, int]) -> float:
    if not any(counts.values()):
        return y
    shown = dict(Counter(counts).most_common(_LABELS_SHOWN))
    width = page.text(_EDGE, y, title, 15)
    if len(counts) > len(shown):
        page.text(_EDGE + width + 10, y + 1, f"the first {len(shown)} of {len(counts)}", 11, MUTED)
    half, y = (_INNER - 30) / 2, y + 16
    longest = max(shown.values())
    for at, (name, count) in enumerate(shown.items()):
        x, row = _EDGE + (at % 2) * (half + 30), y + (at // 2) * 22
        page.text(x, row + 10, page.shorten(name, 130, 11), 11, MUTED)
        page.box(x + 140, row + 3, half - 210, 14, FAINT, 3)
        page.box(x + 140, row + 3, (half - 210) * count / longest, 14, GREY, 3)
        page.text(x + half, row + 10, f"{count:,}", 11, align="right")
    return y + -(-len(shown) // 2) * 22 + 22


def _preview(page: Canvas, y: float, preview: UInt8Images) -> float:
    page.text(_EDGE, y, "Preview", 15)
    step = _INNER / 12
    for at, pixels in enumerate(preview[:_PREVIEW_CELLS]):
        page.picture(_EDGE + at % 12 * step, y + 16 + at // 12 * step, step - 4, pixels)
    return y + 16 + -(-min(len(preview), _PREVIEW_CELLS) // 12) * step
