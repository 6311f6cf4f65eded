"""Whether a cluster's autoscaler, if it has one, can add nodes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import ray
from ray.experimental.internal_kv import _internal_kv_get

Amounts = Mapping[str, float]

_GROUP = "ray.io/node-group"
"""Label of nodes that KubeRay or `ray up` created, with the name of their node group."""
_NAMELESS = "node_"
"""Prefix of node types in the status of a cluster without an autoscaler."""


def fits(node: Amounts, needs: Amounts) -> int:
    """Number of workers with `needs` that fit on a node with these resources."""
    return int(min(node.get(key, 0) / need for key, need in needs.items() if need > 0))


def described(of: Amounts) -> str:
    return " and ".join(f"{of.get(kind, 0):g} {kind}" for kind in ("CPU", "GPU"))


def may_grow(nodes: Iterable[Mapping[str, Any]], needs: Amounts) -> bool:
    """Whether an autoscaler may add a node for a worker with `needs`; `nodes` are Ray's.

    If the sizes of its node groups are unknown, any node group counts: the wait for a worker has a
    timeout.
    """
    config = ray._private.state.state.get_cluster_config()
    if config is not None and config.node_group_configs:
        groups = [group for group in config.node_group_configs if group.max_count]
        return any(fits(group.resources, needs) for group in groups)
    if any(_GROUP in (node.get("Labels") or {}) for node in nodes if node["Alive"]):
        return True
    return has_groups(_internal_kv_get("__autoscaling_status"))


def has_groups(status: bytes | None) -> bool:
    """Whether the status of Ray's older autoscaler lists node groups."""
    found = json.loads(status or "{}").get("autoscaler_report") or {}
    known = {**found.get("active_nodes", {}), **found.get("pending_launches", {})}
    return any(not name.startswith(_NAMELESS) for name in known)
