"""What a finished run hands over, and what it says of its health."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from aigc.families.config import ModelConfig
from aigc.specs import TrainSpec
from aigc.training.looks import FIGURES, Look
from aigc.training.watch import TrainingMonitor
from aigc.types import Json


@dataclass(frozen=True)
class TrainResult:
    """A finished run. `tensors` are the averaged weights `sampler.*`, for a VAE `encoder.*`, and
    a GAN's `discriminator.*`, all of the best look, or the last ones where none was taken; and a
    VAE's prior `sampler.prior.*`, on the first of several workers fitted to the end."""

    config: ModelConfig
    tensors: dict[str, Tensor]
    metrics: Json
    samples_png: bytes
    card: str
    """Markdown about the data and the recipe."""
    steps_run: int
    """Steps made by this call; 0 when the run was finished before."""


def published_step(monitor: TrainingMonitor) -> int | None:
    """The step whose model is kept as the best; None when the last one is handed over."""
    best = monitor.state.best
    return best.step if best is not None and monitor.published is best else None


def watch_metrics(monitor: TrainingMonitor, note: str, last_step: int) -> Json:
    """For metrics.json: `health`, `health_reason`, the step published and its figures, the last
    one's, and every event."""
    state, look = monitor.state, monitor.published
    health, reason = monitor.health()
    plain: Json = {"health": health, "published_step": look.step if look else last_step}
    if reason:
        plain["health_reason"] = reason
    if look is None or state.last is None:
        return plain
    figures = look.to_json()["figures"]
    for name in ("kid", "coverage", "recall"):
        if figures[name] is not None:
            plain[f"held_out_{name}"] = figures[name]
    looks = {"published": look.to_json(), "last": state.last.to_json(), "note": note}
    changed = {"events": state.events, "adjustments": state.adjustments.to_json()}
    return plain | {"watch": looks | changed}


def watch_card(spec: TrainSpec, monitor: TrainingMonitor, note: str, last_step: int) -> str:
    """For the model card, in Markdown; empty without looks."""
    state, look = monitor.state, monitor.published
    if look is None or state.last is None:
        return ""
    health, reason = monitor.health()
    text = "\n## Health\n\n"
    if health == "collapsed":
        text += f"**This model is collapsed**: {reason}. It was published on request.\n\n"
    elif health == "unknown":
        text += f"Its health is unknown: {reason}.\n\n"
    text += (
        f"The published model is the average at step {look.step:,} of {last_step:,}, which had the "
        f"lowest KID of all looks during training. All looks compare up to {spec.watch.samples} "
        f"samples with the same held-out items, so this KID is slightly optimistic; "
        f"`aigc evaluate` uses more of them.\n"
    )
    text += f"\n{note[:1].upper()}{note[1:]}.\n" if note else ""
    text += "\n" + _table(look, state.last)
    if state.events:
        text += "\n" + "".join(f"- {event['message']}\n" for event in state.events)
    return text


def _table(published: Look, last: Look) -> str:
    rows = ["| | published | last | real pictures |", "|---|---|---|---|"]
    rows.append(f"| step | {published.step:,} | {last.step:,} | |")
    columns = [look.to_json()["figures"] for look in (published, last)] + [
        published.to_json()["floor"]
    ]
    for name in FIGURES:
        cells = ["" if each[name] is None else f"{each[name]:.3g}" for each in columns]
        rows.append(f"| {name.replace('_', ' ')} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"
