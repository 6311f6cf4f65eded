"""When a run is looked at and when a sheet of samples is drawn."""

from __future__ import annotations

import math

from aigc.specs import TrainSpec

_FIRST_LOOK_S, _LEAST_GAP_S = 20.0, 5.0
_LOOKS, _LEAST_STEPS = 20, 500
_LATE = 1 / 40
"""The gap grows with the run: at most one look in this share of the time that has passed."""
_FIRST_SHEET_S, _LONGEST_GAP_S = 20.0, 300.0


def look_every_steps(spec: TrainSpec) -> int | None:
    """Steps between looks; None where they are spaced by time.

    Where `steps` is the only limit, nothing but the step decides, so that the same run gives the
    same result on a slower machine.
    """
    if spec.watch.every_images is not None:
        return max(1, round(spec.watch.every_images / spec.batch_size))
    if spec.max_seconds is None:
        assert spec.steps is not None
        return max(_LEAST_STEPS, math.ceil(spec.steps / _LOOKS))
    return None


def next_look_s(spec: TrainSpec, elapsed_s: float, took_s: float, first: bool) -> float:
    """When the look after one at `elapsed_s` that took `took_s` is due, in training seconds."""
    if first:
        soon = min(_FIRST_LOOK_S, 0.1 * (spec.max_seconds or math.inf))
        return elapsed_s + took_s + max(took_s, soon)
    gap = max(took_s / spec.watch.cost, _LEAST_GAP_S, _LATE * elapsed_s)
    return elapsed_s + took_s + gap


def next_sheet_s(elapsed_s: float) -> float:
    """When the next sheet of samples is due: after 20, 40, 80, 160 and 320 s, then every 300 s."""
    due = _FIRST_SHEET_S
    while due <= elapsed_s:
        due += min(due, _LONGEST_GAP_S)
    return due
