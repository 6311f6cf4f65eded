from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil
import pytest

from aigc.distributed.cluster_backend import ClusterBackend
from aigc.errors import JobError, PlacementError, SpecError, StorageError
from aigc.execution import attempts, local
from aigc.execution import pool as pool_module
from aigc.execution.backend import FINALIZING, most_workers
from aigc.execution.local import LocalBackend
from aigc.execution.pool import StoppedError, WorkerPool
from aigc.specs import Placement
from tests.execution.units import (
    SLOW_S,
    PaperBackend,
    Unit,
    broken_setup,
    setup,
    threads_setup,
    where_setup,
)


def run_units(units, *, make_backend=LocalBackend, stop=lambda: None, task=setup, **placement):
    """(results, notices, items heard of) of a pool of two workers."""
    limits = Placement(**({"workers": 2} | placement))
    results, notices, ticks = [], [], []
    with WorkerPool(make_backend(task, limits), limits, notices.append) as pool:
        pool.run(units, len(units), results.append, ticks.append, stop)
    return results, notices, ticks


def closing(folder: Path, number: int, does: str = "work", times: int = 1) -> Unit:
    return Unit(number, str(folder), does, times, closes=True)


def run_on_paper(backend, count, monkeypatch, **placement):
    """Notices of a pool that looks at the cluster's room at every turn."""
    monkeypatch.setattr(pool_module, "_CAPACITY_CHECK_S", 0.0)
    limits, results, notices = Placement(**({"batch_timeout_s": 10} | placement)), [], []
    with WorkerPool(backend, limits, notices.append) as pool:
        pool.run([f"unit {number}" for number in range(count)], count, results.append)
    assert len(set(results)) == len(results) == count
    return notices


def test_every_unit_is_run_once_and_workers_are_gone_afterwards(tmp_path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    units = [Unit(number, str(tmp_path), "meet") for number in range(20)]
    results, notices, _ = run_units(units)
    assert sorted(results) == list(range(20))
    assert notices == []
    assert all(unit.attempts() == 1 for unit in units)
    workers = {path.name.split("-")[1] for path in tmp_path.iterdir()}
    assert len(workers) == 2
    left = {child.pid for child in psutil.Process().children(recursive=True)} - before
    assert not left & {int(pid) for pid in workers}


@pytest.mark.parametrize("does", ["fail", "crash", "die"])
def test_what_fails_is_tried_again_and_said(tmp_path, does) -> None:
    units = [Unit(0, str(tmp_path), does, times=2), *(Unit(n, str(tmp_path)) for n in range(1, 6))]
    results, notices, _ = run_units(units)
    assert sorted(results) == list(range(6))
    assert units[0].attempts() == 3
    assert len([line for line in notices if line.startswith("unit 0: ")]) == 2


@pytest.mark.parametrize("does", ["fail", "crash", "die"])
def test_what_fails_as_it_is_closed_is_tried_again_and_said(tmp_path, does) -> None:
    units = [closing(tmp_path, n, *((does, 2) if n == 0 else ())) for n in range(6)]
    results, notices, _ = run_units(units)
    assert sorted(results) == list(range(6))
    assert units[0].attempts() == 3
    assert len([line for line in notices if line.startswith("unit 0")]) == 2


def test_the_next_unit_is_made_while_the_last_is_closed(tmp_path) -> None:
    overlapping = 8 - FINALIZING
    units = [closing(tmp_path, n, "overlap" if n < overlapping else "work") for n in range(8)]
    results, notices, _ = run_units(units, workers=1)
    assert (sorted(results), notices) == (list(range(8)), [])
    begun, closed = times(tmp_path.glob("[0-9]-*")), times(tmp_path.glob("closed-*"))
    for at in begun:
        open_units = sum(other <= at for other in begun) - sum(other < at for other in closed)
        assert open_units <= FINALIZING + 1


def times(paths: Iterable[Path]) -> list[int]:
    return [int(path.name.rpartition("-")[2]) for path in paths]


def test_when_a_worker_dies_of_one_of_two_units_neither_is_blamed(tmp_path) -> None:
    """No failure is allowed, and there is none."""
    units = [closing(tmp_path, 0, "hang"), Unit(1, str(tmp_path), "die"), closing(tmp_path, 2)]
    results, notices, _ = run_units(units, workers=1, max_retries=0)
    assert sorted(results) == [0, 1, 2]
    assert [unit.attempts() for unit in units] == [2, 2, 1]
    (line,) = notices
    assert line.startswith("unit 0 and unit 1: its worker died (exit code -9); trying again, one")


def test_a_unit_that_always_kills_its_worker_takes_no_other_with_it(tmp_path) -> None:
    units = [closing(tmp_path, 0, "hang"), *(closing(tmp_path, n) for n in range(1, 4))]
    units[1] = Unit(1, str(tmp_path), "die", times=99)
    with pytest.raises(JobError, match=r"^given up: unit 1: its worker died \(exit code -9\)\. "):
        run_units(units, workers=1, max_retries=2)
    assert [unit.attempts() for unit in units] == [2, 4, 1, 1]


def test_what_hangs_as_it_is_closed_is_replaced_alone(tmp_path) -> None:
    units = [closing(tmp_path, 0, "hang"), *(closing(tmp_path, n) for n in range(1, 4))]
    results, notices, _ = run_units(units, workers=1, batch_timeout_s=2)
    assert sorted(results) == [0, 1, 2, 3]
    assert [line.split(":")[0] for line in notices] == ["unit 0"]


@pytest.mark.parametrize(
    "make_backend",
    [
        LocalBackend,
        pytest.param(ClusterBackend, marks=[pytest.mark.integration, pytest.mark.faults]),
    ],
)
def test_an_upload_that_goes_on_is_left_alone_and_so_is_what_waits_for_it(
    make_backend, tmp_path, request: pytest.FixtureRequest
) -> None:
    if make_backend is ClusterBackend:
        request.getfixturevalue("ray_session")
    units = [closing(tmp_path, number, "creep") for number in range(FINALIZING + 1)]
    limits = {"workers": 1, "batch_timeout_s": SLOW_S / 2}
    results, notices, _ = run_units(units, make_backend=make_backend, **limits)
    assert (sorted(results), notices) == ([0, 1, 2], [])


def test_what_keeps_failing_is_given_up_and_the_rest_goes_on(tmp_path) -> None:
    units = [Unit(n, str(tmp_path), "fail" if n == 3 else "work", 99) for n in range(8)]
    with pytest.raises(JobError, match=r"given up: unit 3: s3://b/k: S3 does not answer") as error:
        run_units(units, max_retries=1)
    assert not isinstance(error.value, StorageError)
    assert units[3].attempts() == 2
    assert all(unit.attempts() == 1 for unit in units if unit.number != 3)


def test_when_nothing_succeeds_the_job_stops_early(tmp_path) -> None:
    units = [Unit(n, str(tmp_path), "fail", 99) for n in range(50)]
    with pytest.raises(StorageError, match="does not answer"):
        run_units(units, max_retries=0)
    assert sum(unit.attempts() for unit in units) < 10


def test_wrong_input_stops_the_job_at_once(tmp_path) -> None:
    units = [Unit(n, str(tmp_path), "refuse", 99) for n in range(50)]
    with pytest.raises(SpecError, match="no 'cat'"):
        run_units(units)


def test_a_worker_that_cannot_begin_says_why() -> None:
    with pytest.raises(SpecError, match=r"gates\.memorisation\.data = nowhere"):
        run_units([Unit(0, "/nowhere")], task=broken_setup)


@pytest.mark.parametrize("limit", ["timeout_s", "batch_timeout_s"])
def test_what_hangs_is_replaced(tmp_path, limit) -> None:
    units = [Unit(0, str(tmp_path), "hang"), Unit(1, str(tmp_path))]
    results, notices, _ = run_units(units, **{limit: 2})
    assert sorted(results) == [0, 1]
    assert any(limit in line for line in notices)


def test_a_unit_that_goes_on_has_all_the_time_it_needs() -> None:
    def run(**limits: float) -> list[str]:
        placement, notices = Placement(workers=1, max_retries=1, **limits), list[str]()

        def a_day_passes(items: float) -> None:
            for attempt in pool._attempts():
                attempt.started -= 86_400

        with WorkerPool(PaperBackend(iter([1]), looks=5), placement, notices.append) as pool:
            pool.run(["shard"], 1, lambda result: None, a_day_passes)
        return notices

    assert run() == []
    with pytest.raises(JobError, match="no result after timeout_s = 3600"):
        run(timeout_s=3600)


def test_what_is_done_when_time_is_up_counts() -> None:
    backend, placement, got = PaperBackend(iter([1]), looks=2), Placement(workers=1), []

    def up() -> str | None:
        return "time is up" if backend.started[0].unit or got else None

    with WorkerPool(backend, placement, lambda line: None) as pool:
        pool.run(["unit"], 1, got.append, stop=up)
    assert got == ["unit"]


@pytest.mark.parametrize("dying", [(), (0,)])
def test_what_a_stopped_worker_sent_is_given_time_to_arrive(dying, monkeypatch) -> None:
    limits, slept = Placement(workers=1), list[float]()
    with WorkerPool(PaperBackend(itertools.repeat(1), dying), limits, lambda line: None) as pool:
        pool.run(["unit 0"], 1, lambda result: None)
    monkeypatch.setattr("aigc.execution.pool.time.sleep", slept.append)
    pool.wait_for_open_requests()
    assert [seconds > 0 for seconds in slept] == [bool(dying)]


def test_a_straggler_is_begun_a_second_time_and_counts_once(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(attempts, "_STRAGGLER_S", 1.0)
    units = [Unit(0, str(tmp_path), "hang"), *(Unit(n, str(tmp_path)) for n in range(1, 5))]
    results, notices, _ = run_units(units)
    assert sorted(results) == list(range(5))
    assert units[0].attempts() == 2
    assert notices == ["unit 0: slow; started a second time on another worker"]


def test_items_under_way_are_heard_of(tmp_path) -> None:
    units = [Unit(0, str(tmp_path), "hang"), Unit(1, str(tmp_path))]
    heard: list[float] = []
    limits = Placement(workers=2)

    def stop() -> str | None:
        return "enough" if 1.0 in heard else None

    with (
        WorkerPool(LocalBackend(setup, limits), limits, lambda line: None) as pool,
        pytest.raises(StoppedError, match="enough"),
    ):
        pool.run(units, 2, lambda n: None, heard.append, stop)
    assert heard[-1] == 1.0


def test_a_pool_keeps_its_workers_for_the_next_run(tmp_path) -> None:
    limits = Placement(workers=1)
    with WorkerPool(LocalBackend(setup, limits), limits, lambda line: None) as pool:
        for number in range(3):
            pool.run([Unit(number, str(tmp_path))], 1, lambda n: None)
    assert len({path.name.split("-")[1] for path in tmp_path.iterdir()}) == 1


def test_more_workers_than_the_machine_holds_are_refused() -> None:
    cpus = len(os.sched_getaffinity(0))
    with pytest.raises(PlacementError, match=f"has capacity for {cpus} worker"):
        LocalBackend(setup, Placement(workers=cpus + 1))
    with pytest.raises(PlacementError, match="cannot hold a worker with 1000 CPU"):
        LocalBackend(setup, Placement(cpus_per_worker=1000))
    many = Placement(max_workers=60)
    backend = LocalBackend(setup, many)
    assert most_workers(backend, many, backend.capacity()) == cpus
    assert most_workers(PaperBackend(iter([1])), many, 1) == 60


@pytest.mark.parametrize(
    ("visible", "given"), [("3", "3"), ("GPU-c0ffee, 5, 6", "GPU-c0ffee,5"), (None, "0,1")]
)
def test_workers_take_the_gpus_that_are_visible(monkeypatch, visible, given) -> None:
    names = given.split(",")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(local, "_gpu_count", lambda: len(names))
    backend = LocalBackend(where_setup, Placement(cpus_per_worker=0.5))
    assert backend.capacity() == local.local_capacity(Placement(cpus_per_worker=0.5)) == len(names)
    workers = [backend.start() for _ in names]
    backend.stop(workers[0])
    workers[0] = backend.start()
    assert [worker.gpu for worker in workers] == names, "the one that was free is taken"
    for worker in workers:
        backend.assign(worker, 0)
        assert [event.kind for event in backend.wait([worker], 60)] == ["ready"]
        assert [event.value for event in backend.wait([worker], 60)] == [worker.gpu]
        backend.stop(worker)


def test_the_cores_of_a_machine_encode_for_its_gpus(monkeypatch) -> None:
    monkeypatch.setattr(local, "_gpu_count", lambda: 1)
    backend = LocalBackend(threads_setup, Placement(cpus_per_worker=0.5))
    worker = backend.start()
    backend.assign(worker, 0)
    events = [event for _ in range(2) for event in backend.wait([worker], 60)]
    backend.stop(worker)
    assert events[-1].value == len(os.sched_getaffinity(0))


@pytest.mark.integration
def test_a_cluster_backend_does_the_same(ray_session, tmp_path) -> None:
    kinds = ["work", "fail", "crash", "die", "work", "work"]
    units = [Unit(n, str(tmp_path), does) for n, does in enumerate(kinds)]
    results, notices, _ = run_units(units, make_backend=ClusterBackend)
    assert sorted(results) == list(range(6))
    assert {line.split(":")[0] for line in notices} == {"unit 1", "unit 2", "unit 3"}


@pytest.mark.integration
def test_a_cluster_backend_closes_units_beside_the_next(ray_session, tmp_path) -> None:
    kinds = ["work", "fail", "crash", "die", "work", "work"]
    units = [closing(tmp_path, n, does) for n, does in enumerate(kinds)]
    results, notices, _ = run_units(units, make_backend=ClusterBackend)
    assert sorted(results) == list(range(6))
    said = " ".join(notices)  # of a death all are named that the worker was at
    assert all(f"unit {number}" in said for number in (1, 2, 3)), notices


@pytest.mark.faults
@pytest.mark.integration
def test_a_hanging_unit_on_the_cluster_is_replaced(ray_session, tmp_path) -> None:
    units = [Unit(0, str(tmp_path), "hang"), Unit(1, str(tmp_path))]
    results, notices, _ = run_units(units, make_backend=ClusterBackend, batch_timeout_s=3)
    assert sorted(results) == [0, 1]
    assert any("batch_timeout_s" in line for line in notices)


def test_workers_start_whatever_the_length_of_tmpdir(tmp_path) -> None:
    """The path of a Unix socket has 107 bytes at most; TMPDIR knows no such limit."""
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    program = (
        "from aigc.execution.forking import warm\n"
        "from aigc.execution.local import LocalBackend\n"
        "from aigc.execution.pool import WorkerPool\n"
        "from aigc.specs import Placement\n"
        "from tests.execution.units import Unit, setup\n"
        "one, done = Placement(workers=1), []\n"
        "warm()\n"
        "with WorkerPool(LocalBackend(setup, one), one, print) as pool:\n"
        f"    pool.run([Unit(5, {str(tmp_path)!r})], 1, done.append)\n"
        "assert done == [5]\n"
    )
    environment = os.environ | {"TMPDIR": str(deep), "PYTHONPATH": str(Path.cwd())}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)


def test_a_cluster_without_nodes_is_asked_for_a_worker_and_waited_for(monkeypatch) -> None:
    backend = PaperBackend(iter([0, 0, 0, 2]))
    notices = run_on_paper(backend, 20, monkeypatch)
    limit = "placement.startup_timeout_s = 600 s"
    assert notices == [f"no node has capacity for a worker; waiting up to {limit}"]
    assert len(backend.started) == backend.most == 2


def test_when_the_last_node_goes_another_is_waited_for_and_then_said(monkeypatch) -> None:
    run_on_paper(PaperBackend(iter([2, 2, 2, 0, 0, 1])), 20, monkeypatch)
    gone = PaperBackend(iter([2, 2, 2, 0]))
    with pytest.raises(PlacementError, match=r"startup_timeout_s = 0.2: no node is large enough"):
        run_on_paper(gone, 20, monkeypatch, startup_timeout_s=0.2)


def test_a_worker_that_never_had_room_does_not_shorten_the_wait(monkeypatch) -> None:
    """It has waited since the job began, not since the others went."""
    backend = PaperBackend(itertools.chain([2] * 110, [0] * 5, [2]))
    run_on_paper(backend, 400, monkeypatch, max_workers=3, startup_timeout_s=1)


def test_only_workers_that_fail_to_start_one_after_the_other_end_a_job(monkeypatch) -> None:
    """On spot nodes one now and then is nothing."""
    rooms = itertools.cycle([1, 1, 1, 0])
    backend = PaperBackend(rooms, dying=range(0, 1000, 2))
    notices = run_on_paper(backend, 8, monkeypatch)
    assert len([line for line in notices if line.startswith("a worker that was start")]) > 4
    with pytest.raises(JobError, match="a worker that was starting: its worker died"):
        run_on_paper(PaperBackend(iter([1]), dying=range(1000)), 8, monkeypatch)


def test_workers_beyond_the_first_room_come_with_the_nodes(monkeypatch) -> None:
    backend = PaperBackend(itertools.chain([1] * 5, [3]))
    run_on_paper(backend, 100, monkeypatch, max_workers=4)
    assert (len(backend.started), backend.most) == (4, 3)
