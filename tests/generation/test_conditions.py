from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc.errors import SpecError
from aigc.generation.conditions import find_label, label_pattern, labels_of

KNOWN = ("T-shirt/top", "Trouser", "Bag", "Dress")


def test_all_labels_in_equal_shares_by_default() -> None:
    assert label_pattern(KNOWN, None).tolist() == [0, 1, 2, 3]


def test_an_unconditional_model_has_no_labels() -> None:
    assert labels_of(label_pattern((), None), np.arange(10)) is None
    with pytest.raises(SpecError, match="this model has none"):
        label_pattern((), ("bag",))


def test_labels_match_whatever_their_case() -> None:
    assert label_pattern(KNOWN, ("bag", "TROUSER")).tolist() == [2, 1]


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


def test_hopeless_shares_are_refused() -> None:
    with pytest.raises(SpecError, match="too uneven"):
        label_pattern(KNOWN, {"bag": 1e-9, "dress": 1.0})
    with pytest.raises(SpecError, match="empty"):
        label_pattern(KNOWN, ())


@given(start=st.integers(0, 10**12), length=st.integers(1, 100))
def test_a_label_depends_on_the_index_alone(start: int, length: int) -> None:
    pattern = label_pattern(KNOWN, {"bag": 2, "dress": 1})
    labels = labels_of(pattern, np.arange(start, start + length))
    alone = [int(labels_of(pattern, np.array([i]))[0]) for i in range(start, start + length)]
    assert labels.tolist() == alone
