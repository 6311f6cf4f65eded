from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from aigc.generation.prefetch import prefetch


@pytest.mark.parametrize("threads", [1, 4])
def test_results_come_in_order(threads) -> None:
    assert list(prefetch(lambda n: n * n, range(50), threads)) == [n * n for n in range(50)]


def test_items_are_made_while_earlier_ones_are_worked_on() -> None:
    """The first result cannot come before the second item was made: were they made in turn, this
    would wait for ever."""
    second = threading.Event()

    def items() -> Iterator[int]:
        yield 0
        second.set()
        yield 1

    assert list(prefetch(lambda n: second.wait(30), items(), 2)) == [True, True]


def test_only_so_much_waits() -> None:
    made: list[int] = []

    def noted(number: int) -> int:
        made.append(number)
        return number

    results = prefetch(lambda n: n, map(noted, range(100)), 3)
    next(results)
    assert len(made) == 4


def test_a_failure_is_raised_and_leaves_no_thread() -> None:
    with pytest.raises(ZeroDivisionError):
        list(prefetch(lambda n: 1 // (5 - n), range(100), 3))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("encode")]
