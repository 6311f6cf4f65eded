"""Rows that depend on their neighbours, their place or the call are found out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from aigc.families.independence import (
    DependentRowsError,
    RoundingRowsError,
    require_independent,
    require_varied,
)


def items(numbers: Sequence[int]) -> np.ndarray:
    rows = [np.random.default_rng(number).normal(size=(4, 4)) for number in numbers]
    return np.stack(rows).astype(np.float32)


def test_rows_of_their_own_pass() -> None:
    found = require_independent(items, 8)
    np.testing.assert_array_equal(found, items(range(8)))
    require_varied(found)


@pytest.mark.parametrize("rows", [2, 5, 16])
def test_a_mean_over_the_batch_is_found(rows: int) -> None:
    with pytest.raises(DependentRowsError, match=r"neighbours differs by up to .* each other"):
        require_independent(lambda numbers: items(numbers) - items(numbers).mean(0), rows)


def test_a_symmetric_leak_that_needs_repeated_rows_is_found() -> None:
    """As minibatch standard deviation, which vanishes where rows repeat."""

    def make(numbers: Sequence[int]) -> np.ndarray:
        return items(numbers) + (len(set(numbers)) == 1)

    with pytest.raises(DependentRowsError, match="repeated in one batch"):
        require_independent(make, 8)


def test_a_leak_from_the_row_before_is_found() -> None:
    with pytest.raises(DependentRowsError, match="depend on each other"):
        require_independent(lambda n: items(n) + np.roll(items(n), 1, 0), 8)


def test_a_value_that_depends_on_the_place_is_found() -> None:
    def make(numbers: Sequence[int]) -> np.ndarray:
        return items(numbers) + np.arange(len(numbers), dtype=np.float32)[:, None, None]

    with pytest.raises(DependentRowsError, match="in another place"):
        require_independent(make, 8)


def test_random_numbers_and_state_are_found() -> None:
    drawn = np.random.default_rng(0)
    with pytest.raises(DependentRowsError, match="made again with the same noise"):
        require_independent(lambda n: items(n) + np.float32(drawn.normal()), 8)


def test_rounding_is_told_apart() -> None:
    def make(numbers: Sequence[int]) -> np.ndarray:
        place = np.arange(len(numbers), dtype=np.float32)[:, None, None]
        return items(numbers) * (1 + place * np.float32(1e-6))

    with pytest.raises(RoundingRowsError, match="differs by rounding"):
        require_independent(make, 8)


def test_other_faults_of_a_batch() -> None:
    with pytest.raises(DependentRowsError, match="8 rows give an output of the shape"):
        require_independent(lambda n: items(n)[:1], 8)
    with pytest.raises(DependentRowsError, match="every noise gives the same item"):
        require_varied(items([1, 1, 1]))
