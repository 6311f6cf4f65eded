from __future__ import annotations

import pytest
import ray
from ray.exceptions import ObjectLostError

from aigc.errors import SpecError
from aigc.orchestration.cluster_crew import ClusterCrew, Worker
from aigc.orchestration.pool import Pool
from aigc.specs import Placement
from tests.orchestration.units import Unit, broken_setup, setup

pytestmark = pytest.mark.integration
ONE = Placement(workers=1)


def test_a_worker_that_cannot_begin_says_why(ray_session) -> None:
    notices: list[str] = []
    with (
        Pool(ClusterCrew(broken_setup, ONE), ONE, notices.append) as pool,
        pytest.raises(SpecError, match=r"^gates\.memorisation\.data = nowhere: not found$"),
    ):
        pool.run([Unit(0, "/nowhere")], 1, lambda result: None)
    assert notices == []


def test_who_has_lost_its_answer_counts_as_dead(ray_session, monkeypatch) -> None:
    def lost(ref: str) -> None:
        raise ObjectLostError(ref, None, "")

    monkeypatch.setattr(ray, "get", lost)
    worker = Worker(None, {"ref": ("made", "unit 0")})
    (event,) = ClusterCrew(setup, ONE)._events(worker, "ref")
    assert (event.kind, event.value) == ("died", "its result was lost with its node")
