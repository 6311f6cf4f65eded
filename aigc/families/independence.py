"""Checks that an item does not depend on the other items of its batch.

An item is identified by its seed, not by its batch. A network violates this if a layer mixes rows
(BatchNorm in training mode, a mean over the batch, minibatch statistics), if it draws random
numbers of its own, or if it keeps state between calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from aigc.isolated.frames import Array

Make = Callable[[Sequence[int]], Array]
"""Generates the items with N given numbers as one batch (N, …)."""

_ROUNDING = 1e-3
"""Relative to the largest value. Smaller differences come from the order of sums."""


class DependentRowsError(Exception):
    """Rows are not functions of their own inputs; the message describes the difference."""


class RoundingRowsError(DependentRowsError):
    """Rows differ by rounding only: the order of sums depends on the place in the batch."""


def require_independent(make: Make, rows: int) -> Array:
    """Generate the same items among other neighbours and in other places of batches of `rows`.

    Returns:
        The items 0 to rows - 1.

    Raises:
        DependentRowsError: the values of an item differ between batches.
    """
    first = list(range(rows))
    items = make(first)
    if items.shape[:1] != (rows,):
        raise DependentRowsError(f"{rows} rows give an output of the shape {items.shape}")
    _require_same(items, make(first), "made again with the same noise")
    if rows == 1:
        return items
    kept = rows // 2
    others = [*first[:kept], *range(rows, 2 * rows - kept)]
    _require_same(items[:kept], make(others)[:kept], "made with other neighbours")
    _require_same(items, make(first[::-1])[::-1], "made in another place of the batch")
    _require_same(items, np.roll(make([first[-1], *first[:-1]]), -1, 0), "moved by one place")
    alike = make([0] * rows)
    _require_same(np.broadcast_to(items[:1], alike.shape), alike, "repeated in one batch")
    return items


def require_varied(items: Array) -> None:
    """Raises DependentRowsError if items with different noise and one label are all equal."""
    if len(items) > 1 and (items == items[:1]).all():
        raise DependentRowsError("every noise gives the same item")


def _require_same(expected: Array, found: Array, when: str) -> None:
    if expected.shape != found.shape:
        raise DependentRowsError(
            f"an item {when} has the shape {found.shape[1:]}, not {expected.shape[1:]}"
        )
    if np.array_equal(expected, found, equal_nan=expected.dtype.kind == "f"):
        return
    one, other = expected.astype(np.float64), found.astype(np.float64)
    differs = np.abs(one - other)
    if not np.isfinite(differs).all():
        raise DependentRowsError(f"an item {when} has values that are not finite")
    most, scale = float(differs.max()), float(np.abs(one).max())
    if most <= _ROUNDING * scale and expected.dtype.kind == "f":
        raise RoundingRowsError(f"an item {when} differs by rounding ({most:.1e})")
    raise DependentRowsError(
        f"an item {when} differs by up to {most:.3g}, so its rows depend on each other"
    )
