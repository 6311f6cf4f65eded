from __future__ import annotations

from collections.abc import Callable

import pytest

from aigc.execution import limits as limits_module
from aigc.execution.limits import Limits
from aigc.execution.pool import StoppedError, WorkerPool
from aigc.specs import Budget, Placement
from tests.execution.units import PaperBackend


@pytest.fixture
def advance(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the clock of `Limits` by some seconds."""
    now = 0.0

    def by(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(limits_module, "monotonic", lambda: now)
    return by


def test_cost_is_counted_by_the_nodes_at_work_and_stops_a_job(
    advance: Callable[[float], None],
) -> None:
    """At 3,600 an hour two nodes cost 2 a second."""
    budget, placement = Budget(max_cost=1.0, price_per_node_hour=3600), Placement(workers=2)
    backend = PaperBackend(iter([2]), looks=10_000)
    checks = 0

    def stop() -> str | None:
        nonlocal checks
        checks += 1
        advance(0.125)
        return limits.reached()

    with WorkerPool(backend, placement, lambda line: None) as pool:
        limits = Limits(budget, backend.nodes)
        with pytest.raises(StoppedError, match=r"^budget.max_cost = 1$"):
            pool.run(["shard"], 1, lambda result: None, stop=stop)
    assert checks == 5 + 1, "0.25 each: the fifth exceeds 1, and is confirmed before it stops"


def test_nodes_that_come_and_go_are_paid_for_as_long_as_they_are_there(
    advance: Callable[[float], None],
) -> None:
    nodes = 0
    limits = Limits(Budget(max_cost=1.0, price_per_node_hour=3600), lambda: nodes)
    advance(3600)
    assert limits.reached() is None
    nodes = 1000
    advance(0.0009)
    assert limits.reached() is None
    advance(0.0002)
    assert limits.reached() == "budget.max_cost = 1"


def test_the_limit_to_raise_is_named_with_a_number_that_is_enough() -> None:
    price = {"price_per_node_hour": 3600.0}
    assert Limits(Budget(max_cost=1, **price), lambda: 2).enough(100) == (
        "budget.max_cost to 250 or more"
    )
    both = Budget(max_cost=1, max_wall_s=60, **price)
    assert Limits(both, lambda: 2).enough(100) == "budget.max_wall_s to 125 or more"
    assert Limits(both, lambda: 2).enough(10) == "budget.max_cost to 25 or more"
