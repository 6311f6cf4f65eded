"""What the set is and where it comes from: the first sections of the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from aigc.data import attribution
from aigc.data.dataset import Dataset
from aigc.evaluation.table import TITLES
from aigc.sets.release import markup
from aigc.sets.release.facts import ReleaseFacts
from aigc.sets.release.markup import Html, bars, facts, note, problem, table, text
from aigc.sets.release.scores import ScoreHistogram
from aigc.specs import Gates
from aigc.types import Json

_MOST_ROWS = 40
_NO_RIGHTS = "not stated"


def the_set(release: ReleaseFacts) -> Html:
    job, manifest = release.job, release.manifest
    form = job.delivery.described(job.form, by_briefs=job.briefs_digest is not None)
    knobs = ", ".join(f"{name} {value}" for name, value in job.sampling.items() if value)
    made = " ".join(f"{name} {value}" for name, value in manifest.get("made_with", {}).items())
    rows = [
        ("Place", release.out),
        ("Created", manifest.get("created")),
        ("Items", f"{manifest['items']:,} {release.title}"),
        ("Shards", f"{len_shards(manifest):,}"),
        ("Size", f"{manifest['size_bytes'] / 1e6:,.1f} MB"),
        ("Form", f"{form}; {job.writer}"),
        ("Asked for by", _asked_by(release)),
        ("Sampling", knobs),
        ("Content digest", manifest["content_digest"]),
        ("Made with", made),
    ]
    counts = manifest.get("labels") or {}
    shares = f"<h3>Items of each label</h3>{bars(counts, 'labels')}" if counts else ""
    return facts(rows) + shares


def len_shards(manifest: Json) -> int:
    return int(manifest.get("shard_count") or len(manifest.get("shards", ())))


def _asked_by(release: ReleaseFacts) -> str:
    job = release.job
    if job.briefs_digest is not None:
        return f"briefs with digest {job.briefs_digest[:16]}"
    return f"seed {job.seed}"


def the_model(release: ReleaseFacts) -> Html:
    job, model = release.job, release.model
    rows: list[tuple[str, object]] = [("Model", job.model), ("Digest", job.model_digest)]
    if job.origin is not None:
        rows += [
            ("Imported from", f"{job.origin.name}, {job.origin.source}"),
            ("Licence of the model", job.origin.licence),
        ]
    if model.version is None:
        return facts(rows) + problem(model.problem)
    config = model.version.config
    rows += [
        ("Kind", config.family.title + (", by class" if config.conditional else "")),
        ("Health", _health(release)),
        ("Labels", f"{len(config.labels):,}" if config.labels else "none"),
        ("Data digest", config.data_digest or "not stated"),
    ]
    rows += [
        (f"Verdict on {name}", model.metrics[name])
        for name in ("collapse", "memorisation")
        if isinstance(model.metrics.get(name), str)
    ]
    return facts(rows) + _evaluated(model.metrics)


def _health(release: ReleaseFacts) -> str:
    version, metrics = release.model.version, release.model.metrics
    assert version is not None
    reason = metrics.get("health_reason")
    return f"{version.health}{f': {reason}' if isinstance(reason, str) else ''}"


def _evaluated(metrics: Json) -> Html:
    """Figures of `aigc evaluate`, next to those of real items."""
    rows = [
        (text(title), _figure(metrics[name]), _figure(metrics.get(f"{name}_floor")))
        for name, title in TITLES.items()
        if isinstance(metrics.get(name), int | float)
    ]
    if not rows:
        return note("The model was not evaluated with aigc evaluate --publish.")
    return table("Evaluation of the model", ("figure", "the model", "real items"), rows, 2)


def _figure(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "–"


def the_data(release: ReleaseFacts) -> Html:
    data = release.data
    gone = "" if data.dataset is not None else problem(data.problem)
    if not data.said:
        return gone
    rows = facts(_of_data(data.said, data.dataset))
    rights = _attribution(data.credits) or "".join(_counted(data.said))
    if not rights and not data.said.get("licence"):
        rights = problem(
            "The data states no licence, neither of the whole nor of single items: clear the "
            "rights before you publish"
        )
    told = note("As the model states it:") if gone else ""
    return gone + told + rows + rights


def _of_data(said: Json, dataset: Dataset | None) -> list[tuple[str, object]]:
    counts, policy, removed = said.get("counts") or {}, said.get("rights"), said.get("forgotten")
    asked = ", ".join(policy.get("require", ())) if isinstance(policy, dict) else ""
    return [
        ("Source", said.get("source")),
        ("Address", said.get("source_url")),
        ("Licence of the whole", said.get("licence") or _NO_RIGHTS),
        ("Asked of each item", asked or None),
        ("Items", f"{counts.get('train', 0):,} training and {counts.get('test', 0):,} test items"),
        ("Removed on request", f"{removed['items']:,} items" if removed else None),
        ("Place", dataset.uri if dataset else None),
        ("Digest", said.get("digest")),
    ]


def _attribution(credits: str) -> Html:
    """Creators, licences and sources of single items; empty where none are kept."""
    lines = list(csv.reader(io.StringIO(credits)))
    if len(lines) < 2:
        return ""
    head, *rest = lines
    rows = [[text(cell) for cell in line] for line in rest if len(line) == len(head)]
    shown = table("Creators and licences", head, rows[:_MOST_ROWS], 1)
    if len(rows) <= _MOST_ROWS:
        return shown
    return shown + note(f"The first {_MOST_ROWS}; {attribution.FILE} has all of them.")


def _counted(info: Json) -> Iterator[Html]:
    """Tables of what the data set counts by row."""
    for name in ("licences", "creators"):
        counted = info.get(name)
        if isinstance(counted, dict) and counted:
            ordered = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:_MOST_ROWS]
            rows = [(text(who), f"{count:,}") for who, count in ordered]
            yield table(name.capitalize(), (name.removesuffix("s"), "items"), rows, 1)


def the_gates(release: ReleaseFacts) -> Html:
    gates, figures = release.job.gates, release.figures
    rows = [
        (text(name), *_gate(getattr(gates, name), field.description or ""))
        for name, field in Gates.model_fields.items()
        if not isinstance(getattr(gates, name), int | float)
    ]
    refused = {name: count for name, count in figures.get("refused", {}).items() if count}
    kept = _accepted(figures, sum(refused.values()))
    reasons = f"<h3>Refused, by reason</h3>{bars(refused, 'reasons')}" if refused else ""
    return (
        note(kept) + table("Gates of the job", ("gate", "in this set", "settings"), rows) + reasons
    )


def _gate(gate: Any, description: str) -> tuple[Html, Html]:
    what = description.split(". ", maxsplit=1)[0].replace("\n", " ").rstrip(".")
    if gate is None:
        return markup.mark("rest", "off"), text(what)
    values = gate.model_dump(mode="json", exclude_none=True) if hasattr(gate, "model_dump") else {}
    said = ", ".join(f"{name}: {value}" for name, value in values.items())
    return markup.mark("good", "on"), text(f"{what}. {said}")


def _accepted(figures: Json, refused: int) -> str:
    items = int(figures["items"])
    share = figures.get("accepted_share")
    if not refused:
        return f"All {items:,} candidates were delivered; none was refused."
    return (
        f"{items + refused:,} candidates were made, {refused:,} refused and replaced, {items:,} "
        f"delivered ({share:.1%} accepted)."
    )


def the_scores(release: ReleaseFacts) -> Html:
    if not release.scores:
        return note(
            "The set keeps no scores: the field include of the job did not ask for them, and no "
            "gate of safety was on."
        )
    return "".join(_scores(one, release.job.count) for one in release.scores)


def _scores(one: ScoreHistogram, items: int) -> Html:
    title = f"{one.column.title} of {one.items:,} of {items:,} items"
    said = f"{one.column.title}: {one.column.note}; scores of {one.items:,} of {items:,} items."
    if one.threshold is not None:
        said += f" The dashed line is the gate's threshold, {one.threshold:.4g}; "
        said += f"{one.beyond:,} delivered items lie on its wrong side."
    return markup.histogram(title, one.edges, one.counts, (), one.threshold, text(said))
