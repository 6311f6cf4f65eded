"""What looks add up to: the best one, verdicts after some patience, and remedies.

Every worker holds the same `TrainingMonitor` and gives it the same looks, so all decide alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from aigc.families.adversarial import AdversarialTerms
from aigc.specs import Remedy, TrainingWatch, TrainSpec
from aigc.training.adjustments import Adjustments
from aigc.training.health import HealthVerdict
from aigc.training.looks import Look
from aigc.training.verdicts import collapse, collapsed_at_the_end, overfitting, thin
from aigc.types import Json

_LATE = 0.5
"""From this share of a run on it should have learnt something, however few its images."""
_LEARNED = 0.9
_LONGER = "; KID was still falling at the end of the run, so train longer"
_OPENING, _LONG_OPENING = 0.2, 10
"""A run begins: up to this share of it, or this many times `warm_up_images` if that is less."""


@dataclass(frozen=True)
class Response:
    """What is done about a verdict."""

    remedies: tuple[Remedy, ...]
    stop: bool
    number: int
    """Which remedy of its kind this is, from 1."""


@dataclass
class MonitorState:
    """All that a resumed run needs to decide as the undisturbed one."""

    first: Look | None = None
    """Of the untrained model."""
    opening_kid: float = 0.0
    """The highest KID of the looks at the beginning of the run, the untrained model's included:
    blank pictures can be nearer to real ones than the first shapes a model learns."""
    best: Look | None = None
    last: Look | None = None
    peak_coverage: float = 0.0
    collapsed_looks: int = 0
    """In a row, up to now."""
    overfitting_looks: int = 0
    looks_since_best: int = 0
    remedied_images: int = 0
    """When the last remedy was, in training images."""
    remedied: dict[str, int] = field(default_factory=dict)
    """How often, by kind of verdict."""
    adjustments: Adjustments = field(default_factory=Adjustments)
    events: list[Json] = field(default_factory=list)
    stopped: str | None = None
    """Why the run was ended before its limits."""
    next_s: float = 0.0
    """When the next look is due, where they are spaced by time."""

    def to_json(self) -> Json:
        plain = dict(vars(self))
        for name in ("first", "best", "last", "adjustments"):
            plain[name] = plain[name].to_json() if plain[name] is not None else None
        return plain

    @classmethod
    def from_json(cls, value: Json) -> MonitorState:
        looks: dict[str, Any] = {
            name: Look.from_json(value[name]) if value[name] else None
            for name in ("first", "best", "last")
        }
        return cls(**value | looks | {"adjustments": Adjustments(**value["adjustments"])})


class TrainingMonitor:
    def __init__(self, spec: TrainSpec, state: MonitorState) -> None:
        self._spec: TrainingWatch = spec.watch
        self._generative = isinstance(spec.model, AdversarialTerms)
        self.state = state

    def take(self, look: Look, done: float) -> HealthVerdict | None:
        """Add a look at a run of which the share `done` is done (0..1); the verdict it completes,
        if any. `state.best` is `look` if it is the best.

        Lowest KID is best; the earlier one on a tie; NaN never is. A look that shows a collapse is
        best only over others that do.
        """
        state = self.state
        state.first, state.last = state.first or look, look
        opens = look is state.first or self._opens(look.images, done)
        if opens and math.isfinite(look.figures.kid):
            state.opening_kid = max(state.opening_kid, look.figures.kid)
        trouble = self._trouble(look)
        self._keep_if_best(look, trouble is not None)
        state.collapsed_looks = state.collapsed_looks + 1 if trouble else 0
        fits_too_well = overfitting(look, self._spec.overfitting_limit)
        state.overfitting_looks = state.overfitting_looks + 1 if fits_too_well else 0
        ripe = state.peak_coverage > 0 or self._warm(look.images, done)
        if trouble and ripe and state.collapsed_looks >= self._spec.patience:
            return HealthVerdict("collapse", trouble)
        if fits_too_well and state.overfitting_looks >= self._spec.patience:
            return HealthVerdict("overfitting", fits_too_well)
        return None

    def respond(self, verdict: HealthVerdict, images: int) -> Response:
        """What to do about `verdict` now, after so many images; the counts begin anew."""
        state = self.state
        family = "overfitting" if verdict.kind == "overfitting" else "collapse"
        done = state.remedied.get(family, 0)
        wanted = self._spec.on_overfitting if family == "overfitting" else self._spec.on_collapse
        state.collapsed_looks = state.overfitting_looks = 0
        state.remedied_images = images
        if done >= self._spec.max_remedies or not wanted:
            improving = state.looks_since_best < self._spec.patience
            return Response((), family == "collapse" or not improving, done)
        if verdict.kind == "diverged" and "restore" not in wanted:
            return Response((), True, done)
        state.remedied[family] = done + 1
        state.adjustments = state.adjustments.after(wanted)
        return Response(wanted, "stop" in wanted, done + 1)

    @property
    def published(self) -> Look | None:
        """The look whose model is handed over: the best, or the last where none is better than
        the untrained model; None without looks."""
        best = self.state.best
        return best if best is not None and best.step > 0 else self.state.last

    def health(self) -> tuple[str, str]:
        """`ok`, `collapsed` or `unknown`, and why, of the model that is published."""
        look = self.published
        if look is None:
            return "unknown", "it was not compared with held-out images"
        if not math.isfinite(look.baseline.coverage):
            return "unknown", "there are too few images to compare with"
        reason = collapsed_at_the_end(look, self.state.opening_kid, self._generative)
        if not reason:
            return "ok", ""
        return "collapsed", reason + (_LONGER if self._still_improving else "")

    @property
    def _still_improving(self) -> bool:
        """Whether the last look is the best one, after others of the trained model."""
        best, last, first = self.state.best, self.state.last, self.state.first
        if best is None or last is None or first is None:
            return False
        return best.step == last.step > first.step and last.figures.kid < _LEARNED * (
            self.state.opening_kid
        )

    def _trouble(self, look: Look) -> str | None:
        state = self.state
        if state.first is None or state.best is None or look is state.first:
            return None
        opening, peak = state.opening_kid, state.peak_coverage
        found = collapse(look, opening, state.best, peak, self._generative)
        if not thin(look):
            state.peak_coverage = max(state.peak_coverage, look.figures.coverage)
        return found

    def _opens(self, images: int, done: float) -> bool:
        return done < _OPENING and images < _LONG_OPENING * self._spec.warm_up_images

    def _warm(self, images: int, done: float) -> bool:
        """Whether the run, or its part since the last remedy, should have learnt something."""
        before = self.state.remedied_images
        if images - before >= self._spec.warm_up_images:
            return bool(before) or not self._opens(images, done)
        return images - before >= before if before else done >= _LATE

    def _keep_if_best(self, look: Look, in_trouble: bool) -> None:
        state = self.state
        known = state.best.figures.kid if state.best is not None else math.inf
        better = not math.isfinite(known) or look.figures.kid < known
        if state.best is None or (better and not in_trouble and math.isfinite(look.figures.kid)):
            state.best, state.looks_since_best = look, 0
        else:
            state.looks_since_best += 1
