"""The same for each of many, some at a time: for small requests that mostly wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_CHUNK = 64

T = TypeVar("T")
R = TypeVar("R")


def each(work: Callable[[T], R], given: Sequence[T], threads: int = 16) -> list[R]:
    """`map(work, given)`, some dozens at a time to a thread; the first error ends it."""
    if threads == 1 or len(given) <= 1:
        return [work(one) for one in given]
    items = max(1, min(_CHUNK, len(given) // threads))
    chunks = [given[at : at + items] for at in range(0, len(given), items)]
    with ThreadPoolExecutor(threads) as pool:
        done = pool.map(lambda chunk: [work(one) for one in chunk], chunks)
        return [result for chunk in done for result in chunk]
