"""Which figures mean that a run has gone wrong."""

from __future__ import annotations

import math

from aigc.evaluation.collapse import COVERAGE_LIMIT, REPEATED_LIMIT, SPREAD_LIMIT
from aigc.training.looks import Look

_FALLEN = 0.5
"""Coverage under this share of the run's best is a loss."""
_FALLING = 0.95
"""KID above this share of the run's best does not fall."""
_LEARNED = 0.9
"""A model whose KID is above this share of that of its run's beginning has learned nothing."""
_NOTHING = 0.05
"""Coverage under this share of the floor, and recall under this: the data is not covered at all."""
_RECALLED = 0.25
"""Recall of at least this share of the floor shows variety: samples of one picture a class have
none, those of a VAE that is trained too briefly about 0.1 of it."""
_CLASS_SPREAD = 0.1
"""Pixels of a class vary by less than this share of what real ones do."""


def collapse(
    look: Look, opening_kid: float, best: Look, peak_coverage: float, generative: bool
) -> str | None:
    """Signs of a collapse at this look, and why they are not those of a run that still learns.

    Every run begins with samples that are alike and cover nothing. So such signs count only while
    KID is still that of the run's beginning (`opening_kid`); where the samples are alike, while it
    does not fall; or after a far higher coverage.

    A GAN (`generative`) that covers enough of the held-out pictures has not collapsed, but for a
    class of one picture: samples of a small data set are alike in other ways. A VAE's blurred
    pictures miss the balls of sharp ones, so low coverage does not count against it; but one that
    covers enough and whose recall is a fair share of the floor's has not collapsed, either.
    """
    figures = look.figures
    signs = _signs(look, generative)
    if not signs or not math.isfinite(figures.kid):
        return None
    reasons = []
    if figures.kid >= _LEARNED * opening_kid:
        reasons.append(f"KID {figures.kid:.3g} is no lower than at the start of the run")
    elif _alike(look) and figures.kid >= _FALLING * best.figures.kid:
        reasons.append(f"KID {figures.kid:.3g} has not fallen below {best.figures.kid:.3g}")
    if figures.coverage < _FALLEN * peak_coverage:
        reasons.append(f"coverage was {peak_coverage:.3f}")
    return "; ".join([*signs, *reasons]) if reasons else None


def collapsed_at_the_end(look: Look, opening_kid: float, generative: bool) -> str | None:
    """Why the model of `look`, which a run hands over, is not fit to be published."""
    figures, baseline = look.figures, look.baseline
    signs = _signs(look, generative)
    if not signs:
        return None
    if figures.kid >= _LEARNED * opening_kid:
        signs.append(f"KID {figures.kid:.3g} is no lower than at the start of the run")
        return "; ".join(signs)
    nothing = figures.coverage < _NOTHING * baseline.coverage and figures.recall < _NOTHING
    return "; ".join(signs) if _alike(look) or (generative and nothing) else None


def _signs(look: Look, generative: bool) -> list[str]:
    """What at this look alone is as in a collapsed model, in words with figures; limits are shares
    of the floor, as in `evaluation.collapse`."""
    if not generative:
        return _same(look) if _varied(look) else _alike(look)
    if not thin(look):
        return _same(look)
    covered = look.figures.coverage, look.baseline.coverage
    return [
        f"coverage {covered[0]:.3f}, of training images {covered[1]:.2f}",
        *_alike(look),
    ]


def thin(look: Look) -> bool:
    """Whether coverage is that of a collapsed model, NaN included."""
    return not look.figures.coverage >= COVERAGE_LIMIT * look.baseline.coverage


def _varied(look: Look) -> bool:
    """Whether samples reach most kinds of held-out pictures, however near each is to others.

    One blurred picture a class can lie in the balls of real ones, while no real one lies in its.
    """
    return not thin(look) and look.figures.recall >= _RECALLED * look.baseline.recall


def _alike(look: Look) -> list[str]:
    """Signs that the samples are too much like each other."""
    figures, baseline = look.figures, look.baseline
    signs = []
    if figures.neighbour_spread < SPREAD_LIMIT * baseline.neighbour_spread:
        signs.append(
            f"the spread of samples in features is {figures.neighbour_spread:.0%} of that of real "
            "images"
        )
    if figures.repeated > max(REPEATED_LIMIT, 5 * baseline.repeated):
        signs.append(f"{figures.repeated:.0%} of samples are near copies of each other")
    return signs + _same(look)


def _same(look: Look) -> list[str]:
    """Whether a class, or all of a model without classes, is one picture."""
    ratio = look.figures.class_spread
    if not ratio < _CLASS_SPREAD:
        return []
    return [f"the variation within a class is {ratio:.1%} of that of real images"]


def overfitting(look: Look, limit: float) -> str | None:
    """Why the discriminator overfits, if the pictures prove it."""
    figures = look.figures
    if figures.overfitting > limit and figures.overfitting_low > limit / 2:
        return (
            f"the discriminator rates held-out images {figures.overfitting:.0%} as fake as "
            f"samples, the limit is {limit:.0%}"
        )
    return None
