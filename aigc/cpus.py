"""How many CPUs this process may use: a container's quota counts, as well as its CPU affinity."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")


def usable_cpus() -> int:
    """CPUs that this process may keep busy at once, at least 1.

    The least of those its affinity allows (`taskset`, `docker --cpuset-cpus`) and the CPU quotas of
    its cgroups, version 1 or 2 (`docker --cpus`, Kubernetes limits), rounded down: one process more
    than the quota allows makes all of them stop and wait.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, math.floor(min([allowed or 1, *_quotas(_ROOT)])))


def _quotas(root: Path) -> Iterator[float]:
    """CPUs that each cgroup of this process may use; one without a quota gives nothing."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        for mount in _mounts(line):
            for folder in _with_parents(root / "sys/fs/cgroup" / mount, line.split(":", 2)[2]):
                yield from _quota(folder)


def _mounts(line: str) -> list[str]:
    """Where the cgroups of `NUMBER:CONTROLLERS:GROUP` may be mounted if they may limit CPUs."""
    if line.count(":") < 2:
        return []
    controllers = line.split(":")[1]
    if not controllers:  # version 2
        return ["", "unified"]
    return [controllers, "cpu"] if "cpu" in controllers.split(",") else []


def _with_parents(mount: Path, group: str) -> Iterator[Path]:
    """The folders of `group` and of those it is in. A container mounts its own cgroup as `mount`,
    and may still see the name that it has outside."""
    parts = [part for part in group.split("/") if part]
    for count in range(len(parts), -1, -1):
        if ".." not in parts[:count]:
            yield mount.joinpath(*parts[:count])


def _quota(folder: Path) -> Iterator[float]:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        except (OSError, ValueError):
            return
    try:
        cpus = float(quota) / float(period)
    except (ValueError, ZeroDivisionError):  # max: no quota
        return
    if cpus > 0:  # -1: no quota
        yield cpus
