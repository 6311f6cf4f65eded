from __future__ import annotations

from fractions import Fraction
from math import gcd, lcm

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc.conditions.labels import find_label, integer_weights, label_pattern, labels_of
from aigc.errors import SpecError
from aigc.types import Labels

KNOWN = ("T-shirt/top", "Trouser", "Bag", "Dress")


def test_all_labels_in_equal_shares_by_default() -> None:
    assert label_pattern(KNOWN, None).tolist() == [0, 1, 2, 3]


def test_an_unconditional_model_has_no_labels() -> None:
    assert labels_of(label_pattern((), None), np.arange(10)) is None
    with pytest.raises(SpecError, match="this model has none"):
        label_pattern((), ("bag",))


def test_labels_match_whatever_their_case() -> None:
    assert label_pattern(KNOWN, ("bag", "TROUSER")).tolist() == [2, 1]


def test_a_label_that_is_listed_twice_has_one_share_whatever_its_spelling() -> None:
    for twice in (["a", "a", "b"], ["a", "A", "b"], ["A", "b", "a"]):
        assert sorted(label_pattern(("a", "b"), twice).tolist()) == [0, 1]
    assert sorted(label_pattern(("a", "b"), {"a": 1, "A": 1, "b": 1}).tolist()) == [0, 0, 1]


def test_an_unknown_label_is_named_with_a_suggestion_and_the_list() -> None:
    with pytest.raises(SpecError, match=r"no 'trousers'; did you mean 'Trouser'\?.*Dress"):
        find_label(KNOWN, "trousers")


def test_shares_are_exact_in_every_period_and_close_in_every_prefix() -> None:
    pattern = label_pattern(KNOWN, {"bag": 0.5, "dress": 0.3, "trouser": 0.2})
    assert len(pattern) == 10
    assert np.bincount(pattern, minlength=4).tolist() == [0, 2, 5, 3]
    for stop in range(1, 11):
        counts = np.bincount(pattern[:stop], minlength=4)
        assert np.abs(counts - stop * np.array([0, 0.2, 0.5, 0.3])).max() <= 1


def test_equal_shares_follow_in_the_order_asked_for() -> None:
    known = tuple(f"label {at}" for at in range(5000))
    asked = tuple(reversed(known))
    assert label_pattern(known, asked).tolist() == list(reversed(range(5000)))
    assert label_pattern(KNOWN, {"bag": 2, "dress": 2, "BAG": 2}).tolist() == [2, 3, 2]


def counts(*shares: float) -> list[int]:
    return np.bincount(label_pattern(KNOWN, dict(zip(KNOWN, shares, strict=False)))).tolist()


def test_shares_are_the_decimals_they_are_written_as() -> None:
    assert counts(0.9993, 0.0007) == [9993, 7]
    assert counts(1, 0.00055) == [20_000, 11]
    assert counts(0.1234, 0.3456, 0.2345, 0.2965) == counts(1234, 3456, 2345, 2965)
    assert counts(1e308, 1e308) == [1, 1]


def test_shares_that_repeat_too_late_are_rounded_if_that_is_close() -> None:
    assert counts(1 / 3, 2 / 3) == counts(0.3333333, 0.6666667) == [1, 2]
    assert counts(*[1 / 7] * 2, 5 / 7) == [1, 1, 5]
    period = np.array(counts(np.pi, np.e))
    assert period.sum() <= 100_000
    assert np.abs(period / period.sum() - np.array([np.pi, np.e]) / (np.pi + np.e)).max() < 1e-5
    for small in (1.234567e-05, 5e-324):
        with pytest.raises(SpecError, match=r"too uneven: .* more than 100,000 items; round them"):
            counts(small, 1.0)


@given(st.lists(st.fractions(Fraction(1, 1000), 50, max_denominator=1000), min_size=1, max_size=4))
def test_ratios_of_small_numbers_stay_what_they_were(ratios: list[Fraction]) -> None:
    scale = lcm(*(ratio.denominator for ratio in ratios))
    whole = [int(ratio * scale) for ratio in ratios]
    wanted = [weight // gcd(*whole) for weight in whole]
    if sum(wanted) < 5000:
        assert integer_weights([float(ratio) for ratio in ratios]) == wanted


def test_hopeless_shares_are_refused() -> None:
    with pytest.raises(SpecError, match="too uneven"):
        label_pattern(KNOWN, {"bag": 1e-9, "dress": 1.0})
    with pytest.raises(SpecError, match="empty"):
        label_pattern(KNOWN, ())


def _label(pattern: Labels, index: int) -> int:
    labels = labels_of(pattern, np.array([index]))
    assert labels is not None
    return int(labels[0])


@given(start=st.integers(0, 10**12), length=st.integers(1, 100))
def test_a_label_depends_on_the_index_alone(start: int, length: int) -> None:
    pattern = label_pattern(KNOWN, {"bag": 2, "dress": 1})
    labels = labels_of(pattern, np.arange(start, start + length))
    alone = [_label(pattern, i) for i in range(start, start + length)]
    assert labels.tolist() == alone
