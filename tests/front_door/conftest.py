"""No input at the front door may take minutes or over a gibibyte, right or wrong."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

_LIMIT_S = 240
"""Some of a second's work took a minute on two cores that ten other processes used."""
_LIMIT_KIB = 2**20


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and not item.get_closest_marker("integration"):
            item.add_marker(pytest.mark.timeout(_LIMIT_S))


@pytest.fixture(autouse=True)
def _memory_is_bounded() -> Iterator[None]:
    """This process's peak, and that of any command it ran, may grow by a gibibyte."""
    before = _peak_kib()
    yield
    assert _peak_kib() - before < _LIMIT_KIB


def _peak_kib() -> int:
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
