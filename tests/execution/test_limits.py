from __future__ import annotations

import time

import pytest

from aigc.execution.limits import Limits
from aigc.execution.pool import StoppedError, WorkerPool
from aigc.specs import Budget, Placement
from tests.execution.units import PaperBackend


def test_cost_is_counted_by_the_nodes_at_work_and_stops_a_job() -> None:
    """At 3,600 an hour two nodes cost 2 a second."""
    budget, placement = Budget(max_cost=1.0, price_per_node_hour=3600), Placement(workers=2)
    backend = PaperBackend(iter([2]), looks=10_000)
    began = time.monotonic()
    with WorkerPool(backend, placement, lambda line: None) as pool:
        limits = Limits(budget, backend.nodes)
        with pytest.raises(StoppedError, match=r"^budget.max_cost = 1$"):
            pool.run(["shard"], 1, lambda result: None, stop=limits.reached)
    assert 0.5 <= time.monotonic() - began < 5


def test_nodes_that_come_and_go_are_paid_for_as_long_as_they_are_there() -> None:
    nodes = 0
    limits = Limits(Budget(max_cost=1.0, price_per_node_hour=3600), lambda: nodes)
    time.sleep(0.02)
    assert limits.reached() is None
    nodes = 1000
    time.sleep(0.02)
    assert limits.reached() == "budget.max_cost = 1"


def test_the_limit_to_raise_is_named_with_a_number_that_is_enough() -> None:
    price = {"price_per_node_hour": 3600.0}
    assert Limits(Budget(max_cost=1, **price), lambda: 2).enough(100) == (
        "budget.max_cost to 250 or more"
    )
    both = Budget(max_cost=1, max_wall_s=60, **price)
    assert Limits(both, lambda: 2).enough(100) == "budget.max_wall_s to 125 or more"
    assert Limits(both, lambda: 2).enough(10) == "budget.max_cost to 25 or more"
