"""How much more often the pictures of rare classes are shown."""

from __future__ import annotations

from aigc.presets.facts import DataFacts

_RARE_SHARE = 0.4
"""A class is rare below this share of what it would have if all were equally large."""
_MOST_BALANCE = 0.5
"""A class of two pictures among thousands would otherwise be shown until it is learnt by heart."""


def class_balance(facts: DataFacts) -> float:
    """The least balance, in steps of 0.05, with which the rarest class gets `_RARE_SHARE` of an
    equal share, as the loader repeats pictures; at most `_MOST_BALANCE`."""
    balances = (step / 20 for step in range(21))
    enough = (b for b in balances if _rarest(facts.per_class, b) >= _RARE_SHARE)
    return min(next(enough, _MOST_BALANCE), _MOST_BALANCE)


def _rarest(per_class: tuple[int, ...], balance: float) -> float:
    """Share of the rarest class of all pictures shown, over the share if all were equal."""
    most = max(per_class, default=1)
    shown = [count * round((most / count) ** balance) for count in per_class] or [1]
    return float(min(shown) * len(shown) / sum(shown))


def balance_reason(facts: DataFacts, balance: float) -> dict[str, str]:
    if not balance:
        return {}
    counts = facts.per_class
    reason = (
        f"the smallest of {len(counts)} classes has {min(counts):,} of {sum(counts):,} "
        f"{facts.title}; rare classes are shown more often"
    )
    return {"class_balance": reason}
