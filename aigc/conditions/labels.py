"""Labels of items: a repeating pattern of the index, with exact shares in each period."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from aigc.conditions.names import class_name
from aigc.errors import SpecError, listed
from aigc.types import Labels

_MAX_PERIOD = 100_000
_CLOSE = Fraction(1, 100)
"""Largest relative change of a share by rounding."""


def label_pattern(
    known: Sequence[str],
    asked: Sequence[str] | Mapping[str, float] | None,
    usual: Sequence[str] | None = None,
) -> Labels:
    """The repeating sequence of class indices; item i has pattern[i % len(pattern)].

    Labels are interleaved as evenly as their shares allow, so every prefix is close to them too.

    Args:
        known: the model's labels; empty for an unconditional model.
        asked: labels in equal shares, or a mapping of label to share; None means `usual`.
        usual: the labels of `known` that are used by default; None means all.

    Raises:
        SpecError: a label the model does not have, or shares without a short common period.
    """
    if not known:
        if asked:
            raise SpecError("labels: this model has none; leave labels out")
        return np.empty(0, dtype=np.int64)
    if asked is not None and not asked:
        raise SpecError("labels: the list is empty; name some of " + listed(known))
    shares = asked if isinstance(asked, Mapping) else dict.fromkeys(asked or usual or known, 1.0)
    weights: dict[int, int] = {}
    at = {name: index for index, name in reversed(list(enumerate(known)))}
    for name, weight in zip(shares, integer_weights(list(shares.values())), strict=True):
        index = at[name] if name in at else find_label(known, name)
        if index in weights and not isinstance(asked, Mapping):
            continue  # a second spelling of a label in a list adds no share
        weights[index] = weights.get(index, 0) + weight
    return _interleave(weights)


def find_label(known: Sequence[str], name: str) -> int:
    """Index of `name` in `known`, matched exactly or else whatever the case and the spelling of
    accents. Raises SpecError."""
    if name in known:
        return list(known).index(name)
    folded, wanted = [fold(label) for label in known], fold(name)
    if wanted in folded:
        return folded.index(wanted)
    close = difflib.get_close_matches(wanted, folded, n=1)
    hint = f"; did you mean {known[folded.index(close[0])]!r}?" if close else ""
    raise SpecError(f"labels: the model has no {name[:60]!r}{hint}; it has: {listed(known)}")


def fold(name: str) -> str:
    """A form of `name` that is equal for all spellings of one label."""
    return class_name(class_name(name).casefold())


def labels_of(pattern: Labels, numbers: Labels) -> Labels | None:
    """int64 (N,) class indices of items `numbers` (N,); None if unconditional."""
    if not len(pattern):
        return None
    return pattern[numbers % len(pattern)]


def integer_weights(shares: Sequence[float]) -> list[int]:
    """The smallest whole numbers in the ratio of `shares`, taken as exact decimals.

    Shares that repeat after too many items, such as 0.3333333 for a third, are rounded if no share
    changes by more than a hundredth of itself or by one item in the longest period.

    Raises:
        SpecError: they cannot be rounded so.
    """
    exact = [Fraction(str(share)) for share in shares]
    weights = _whole(exact)
    if sum(weights) <= _MAX_PERIOD:
        return weights
    item = sum(exact) / max(1, _MAX_PERIOD - len(shares))
    simple = _whole([share.limit_denominator(1000) for share in exact])
    finest = _whole([Fraction(round(share / item)) for share in exact])
    for rounded in (simple, finest):
        if sum(rounded) <= _MAX_PERIOD and _are_close(rounded, exact):
            return rounded
    raise SpecError(
        f"labels: shares {listed(shares)} are too uneven: they repeat after more than "
        f"{_MAX_PERIOD:,} items; round them, or use ratios like 3 and 1"
    )


def _whole(shares: Sequence[Fraction]) -> list[int]:
    scale = lcm(*(share.denominator for share in shares))
    whole = [int(share * scale) for share in shares]
    common = gcd(*whole) or 1
    return [weight // common for weight in whole]


def _are_close(weights: Sequence[int], shares: Sequence[Fraction]) -> bool:
    period, total = sum(weights), sum(shares)
    return all(
        abs(weight * total - share * period) < period * min(total / _MAX_PERIOD, share * _CLOSE)
        for weight, share in zip(weights, shares, strict=True)
    )


def _interleave(weights: Mapping[int, int]) -> Labels:
    """Smooth weighted round robin: each turn takes the label furthest behind its share."""
    if len(set(weights.values())) == 1:
        return np.array(list(weights), dtype=np.int64)
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
