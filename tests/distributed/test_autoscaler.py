from __future__ import annotations

import json
from typing import Any

import pytest

from aigc.distributed.autoscaler import has_groups
from aigc.errors import PlacementError
from aigc.specs import Placement


def status(**nodes: int) -> bytes:
    return json.dumps({"autoscaler_report": {"active_nodes": nodes}}).encode()


def test_an_older_autoscaler_is_known_by_its_groups() -> None:
    assert has_groups(status(head=1, cpu=0))
    assert not has_groups(status(node_c0ffee=1))
    assert not has_groups(json.dumps({"autoscaler_report": None}).encode())
    assert not has_groups(None)


@pytest.mark.integration
def test_workers_that_fit_no_node_are_asked_for_where_a_group_has_such_nodes(ray_session) -> None:
    from ray import _raylet
    from ray.core.generated import autoscaler_pb2 as generated

    raylet: Any = _raylet
    messages: Any = generated
    from ray.experimental.internal_kv import _internal_kv_del, _internal_kv_put

    from aigc.distributed.session import capacity_for, plan_workers

    large, more = Placement(cpus_per_worker=8), Placement(workers=3)
    for placement in (large, more):
        with pytest.raises(PlacementError):
            plan_workers(placement)
    groups = [messages.NodeGroupConfig(resources={"CPU": 8}, max_count=4)]
    groups += [messages.NodeGroupConfig(resources={"CPU": 64}, max_count=0)]
    config = messages.ClusterConfig(node_group_configs=groups).SerializeToString()
    where = {"namespace": raylet.GCS_AUTOSCALER_STATE_NAMESPACE}
    _internal_kv_put(raylet.GCS_AUTOSCALER_CLUSTER_CONFIG_KEY, config, overwrite=True, **where)
    try:
        assert plan_workers(large).count == 1
        assert capacity_for(plan_workers(large)) == 0
        assert plan_workers(more).count == 3
        with pytest.raises(PlacementError, match="no node has capacity for a worker with 64 CPU"):
            plan_workers(Placement(cpus_per_worker=64))
    finally:
        _internal_kv_del(raylet.GCS_AUTOSCALER_CLUSTER_CONFIG_KEY, **where)
