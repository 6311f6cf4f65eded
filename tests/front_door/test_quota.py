"""Containers with a CPU quota: as many workers start as the quota lets run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aigc import cpus
from aigc.commands.train import hardware_here
from aigc.errors import PlacementError
from aigc.execution.local import local_capacity, machine
from aigc.specs import Placement

V1 = "12:pids:/\n4:cpu,cpuacct:{}\n1:name=systemd:/\n"
QUOTAS = [  # what it is, /proc/self/cgroup, files below /sys/fs/cgroup, CPUs of 16
    ("v2, docker --cpus 2", "0::/\n", {"cpu.max": "200000 100000"}, 2),
    ("v2, no quota", "0::/\n", {"cpu.max": "max 100000"}, 16),
    ("v2, 1.5 CPUs", "0::/\n", {"cpu.max": "150000 100000"}, 1),
    ("v2, half a CPU", "0::/\n", {"cpu.max": "50000 100000"}, 1),
    ("v2, another period", "0::/\n", {"cpu.max": "40000 10000"}, 4),
    ("v2, more than there are", "0::/\n", {"cpu.max": "6400000 100000"}, 16),
    ("v2, systemd's slice", "0::/a.slice/b.scope\n", {"a.slice/cpu.max": "300000 100000"}, 3),
    (
        "v2, the least of several",
        "0::/a/b\n",
        {"a/cpu.max": "800000 100000", "a/b/cpu.max": "500000 100000", "cpu.max": "max 100000"},
        5,
    ),
    ("v2, a name from outside", "0::/../pod1/box\n", {"cpu.max": "200000 100000"}, 2),
    ("v2, not told", "0::/\n", {}, 16),
    ("v2, nonsense", "0::/\n", {"cpu.max": "many"}, 16),
    ("v2, empty", "0::/\n", {"cpu.max": ""}, 16),
    ("v2, a period of 0", "0::/\n", {"cpu.max": "100000 0"}, 16),
    (
        "v1, Kubernetes limit 3",
        V1.format("/kubepods/pod1/box"),
        {"cpu,cpuacct/cpu.cfs_quota_us": "300000", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
        3,
    ),
    (
        "v1, no quota",
        V1.format("/"),
        {"cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
        16,
    ),
    (
        "v1, mounted as cpu alone",
        "3:cpu:/docker/abc\n",
        {"cpu/docker/abc/cpu.cfs_quota_us": "250000", "cpu/docker/abc/cpu.cfs_period_us": "50000"},
        5,
    ),
    (
        "v1, a quota of the pod",
        V1.format("/pod/box"),
        {
            "cpu,cpuacct/pod/cpu.cfs_quota_us": "400000",
            "cpu,cpuacct/pod/cpu.cfs_period_us": "100000",
            "cpu,cpuacct/pod/box/cpu.cfs_quota_us": "-1",
            "cpu,cpuacct/pod/box/cpu.cfs_period_us": "100000",
        },
        4,
    ),
    (
        "v1, another controller's file is not asked",
        "5:cpuset:/\n",
        {"cpuset/cpu.cfs_quota_us": "100000", "cpuset/cpu.cfs_period_us": "100000"},
        16,
    ),
    (
        "both, the quota on v1",
        V1.format("/") + "0::/\n",
        {
            "cpu,cpuacct/cpu.cfs_quota_us": "200000",
            "cpu,cpuacct/cpu.cfs_period_us": "100000",
            "unified/cgroup.procs": "1",
        },
        2,
    ),
    ("no cgroups", "", {}, 16),
    ("a line of another shape", "nonsense\n", {"cpu.max": "100000 100000"}, 16),
]


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes the machine one of 16 CPUs with these cgroups."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))
    monkeypatch.setattr(cpus, "_ROOT", tmp_path)

    def make(groups: str, files: dict[str, str]) -> None:
        texts = {"proc/self/cgroup": groups} | {
            f"sys/fs/cgroup/{name}": f"{text}\n" for name, text in files.items()
        }
        for name, text in texts.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)

    return make


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [row[1:] for row in QUOTAS],
    ids=[row[0] for row in QUOTAS],
)
def test_a_quota_is_what_there_is(container, groups: str, files, expected: int) -> None:
    container(groups, files)
    assert cpus.usable_cpus() == expected


def test_without_a_proc_file_system_affinity_counts(container) -> None:
    assert cpus.usable_cpus() == 16


def test_workers_and_recipes_go_by_the_same_number(
    container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    container("0::/\n", {"cpu.max": "300000 100000"})
    assert local_capacity(Placement()) == 3
    assert machine()["CPU"] == 3
    assert hardware_here().cores == 3
    with pytest.raises(PlacementError, match="capacity for 3 worker"):
        local_capacity(Placement(workers=4))


def test_ray_is_started_with_as_many(container, monkeypatch: pytest.MonkeyPatch) -> None:
    from aigc.distributed import session

    started = {}
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", lambda **options: started.update(options))
    monkeypatch.setattr("ray.shutdown", lambda: None)
    container("0::/\n", {"cpu.max": "250000 100000"})
    with session.connect():
        assert started["num_cpus"] == 2


def test_the_doctor_says_why_there_are_fewer(container, monkeypatch: pytest.MonkeyPatch) -> None:
    from aigc.distributed import doctor

    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    container("0::/\n", {"cpu.max": "250000 100000"})
    assert "2 of 16 CPUs" in doctor._python().found
