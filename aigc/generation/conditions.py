"""Which label item i gets: a repeating pattern, exact over each period and known from i alone."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from aigc.errors import SpecError
from aigc.types import Labels

_MAX_PERIOD = 100_000


def label_pattern(
    known: Sequence[str], asked: Sequence[str] | Mapping[str, float] | None
) -> Labels:
    """The repeating sequence of class indices; item i has pattern[i % len(pattern)].

    Labels are interleaved as evenly as their shares allow, so every prefix is close to them too.

    Args:
        known: the model's labels; empty for an unconditional model.
        asked: labels in equal shares, or a share for each; None means all of `known`.

    Raises:
        SpecError: a label the model does not have, or shares without a short common period.
    """
    if not known:
        if asked:
            raise SpecError("labels: this model has none; leave labels out")
        return np.empty(0, dtype=np.int64)
    if asked is not None and not asked:
        raise SpecError("labels: the list is empty; name some of " + ", ".join(known))
    shares = asked if isinstance(asked, Mapping) else dict.fromkeys(asked or known, 1.0)
    weights: dict[int, int] = {}
    for name, weight in zip(shares, _integer_weights(list(shares.values())), strict=True):
        index = find_label(known, name)
        weights[index] = weights.get(index, 0) + weight
    return _interleave(weights)


def find_label(known: Sequence[str], name: str) -> int:
    """Index of `name` in `known`, matched exactly or else whatever the case. Raises SpecError."""
    if name in known:
        return list(known).index(name)
    folded = [label.casefold() for label in known]
    if name.casefold() in folded:
        return folded.index(name.casefold())
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    hint = f"; did you mean {known[folded.index(close[0])]!r}?" if close else ""
    raise SpecError(f"labels: the model has no {name!r}{hint}; it has: {', '.join(known)}")


def labels_of(pattern: Labels, numbers: Labels) -> Labels | None:
    """int64 (N,) class indices of items `numbers` (N,); None if unconditional."""
    if not len(pattern):
        return None
    return pattern[numbers % len(pattern)]


def _integer_weights(shares: Sequence[float]) -> list[int]:
    fractions = [Fraction(share).limit_denominator(1000) for share in shares]
    scale = lcm(*(fraction.denominator for fraction in fractions))
    whole = [int(fraction * scale) for fraction in fractions]
    common = gcd(*whole)
    if 0 in whole or sum(whole) // common > _MAX_PERIOD:
        raise SpecError(f"labels: shares {list(shares)} are too uneven; use ratios like 3 and 1")
    return [weight // common for weight in whole]


def _interleave(weights: Mapping[int, int]) -> Labels:
    """Smooth weighted round robin: each turn, the label furthest behind its share."""
    total = sum(weights.values())
    credit = dict.fromkeys(weights, 0)
    pattern = np.empty(total, dtype=np.int64)
    for turn in range(total):
        for label, weight in weights.items():
            credit[label] += weight
        chosen = max(credit, key=lambda label: credit[label])
        credit[chosen] -= total
        pattern[turn] = chosen
    return pattern
