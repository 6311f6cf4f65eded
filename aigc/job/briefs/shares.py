"""The cell of a brief that names labels: one, several in equal shares, or with shares."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from aigc.conditions.labels import fold
from aigc.errors import SpecError
from aigc.job.briefs.values import real, text_of


def shares_of(label: Any, known: Iterable[str], comma: bool = False) -> dict[str, float]:
    """`a`, `a|b`, `a:3|b:1`, a list of labels or an object of shares, as shares.

    Raises:
        SpecError: it is none of these.
    """
    if isinstance(label, list) and label and all(isinstance(part, tuple) for part in label):
        label = dict(label)  # an Arrow map
    if isinstance(label, Mapping):
        pairs = [(text_of(name), share) for name, share in label.items() if share is not None]
    elif isinstance(label, list):
        pairs = [(text_of(name), 1) for name in label]
    else:
        pairs = _pairs(text_of(label).strip(), {fold(name) for name in known})
    shares: dict[str, float] = {}
    for name, share in pairs:
        number = real(share, comma)
        if not name or number is None or not 0 < number < math.inf:
            percent = "; leave the % out" if str(share).strip().endswith("%") else ""
            raise SpecError(
                f"expected labels like 'a', 'a|b' or 'a:3|b:1', shares above 0{percent}"
            )
        shares[name] = shares.get(name, 0.0) + number
        if shares[name] == math.inf:
            raise SpecError(f"the shares of {name!r} are too large together; use ratios like 3:1")
    return shares


def _pairs(text: str, known: set[str]) -> list[tuple[str, Any]]:
    if fold(text) in known:
        return [(text, 1)]
    return [_pair(part.strip(), known) for part in text.split("|")]


def _pair(part: str, known: set[str]) -> tuple[str, Any]:
    name, colon, share = part.rpartition(":")
    return (part, 1) if not colon or fold(part) in known else (name.strip(), share)
