"""Training on a real Ray: two workers, killed workers, a killed driver, errors in one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ray

from aigc import storage
from aigc.distributed.train import run
from aigc.errors import DataError, JobError, PlacementError, SpecError
from aigc.specs import TrainSpec
from aigc.store import ModelStore
from aigc.training import train
from tests.training.helpers import tiny_spec
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def timed_spec(data: str, out: Path) -> TrainSpec:
    """Six seconds of training however fast the machine, long enough to be killed within."""
    limits = {"steps": None, "max_seconds": 6.0, "checkpoint_every_s": 0.5, "log_every": 10}
    return tiny_spec(data, out, **limits, placement={"workers": 1, "cpus_per_worker": 1})


class KillsOnce:
    """A report that sends SIGKILL to one training worker once a checkpoint is there."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.killed: int | None = None

    def __call__(self, done: float, total: float, **_: Any) -> None:
        if self.killed is None and list(self.out.glob("checkpoints/*/checkpoint.json")):
            self.killed = own_workers()[0]
            os.kill(self.killed, signal.SIGKILL)


def own_workers() -> list[int]:
    """Process ids of the training workers of this Ray session, as Ray itself knows them."""
    from ray._private.state import actors

    return [
        actor["Pid"]
        for actor in actors().values()
        if actor["State"] == "ALIVE" and "RayTrainWorker" in actor["ActorClassName"]
    ]


def test_two_workers_train_and_publish(ray_session: None, digits_data: str, tmp_path: Path) -> None:
    spec = tiny_spec(digits_data, tmp_path, publish=True, placement={"workers": 2})
    made = run(spec)
    assert made["workers"] == 2
    assert made["steps_run"] == 12
    version = ModelStore().resolve(made["model"])
    assert version.config.labels == tuple("0123456789")
    notes: list[str] = []
    again = run(spec, notice=notes.append)
    assert again["model"] == made["model"]
    assert again["steps_run"] == 0
    assert "already finished" in notes[0]


def test_a_killed_worker_is_replaced_and_training_resumes(
    ray_session: None, digits_data: str, tmp_path: Path
) -> None:
    spec = timed_spec(digits_data, tmp_path)
    killer, notes = KillsOnce(tmp_path), list[str]()
    made = run(spec, report=killer, notice=notes.append)
    assert killer.killed
    assert made["train_seconds"] >= 6
    assert 0 < made["steps_run"] < made["steps"]
    assert any("a worker was lost" in note for note in notes)


@pytest.mark.faults
def test_a_killed_driver_leaves_a_run_that_goes_on(
    ray_session: None, digits_data: str, tmp_path: Path
) -> None:
    """Even on another cluster: that of the driver ends with it."""
    spec_file = tmp_path / "spec.json"
    spec = timed_spec(digits_data, tmp_path / "run")
    spec_file.write_text(spec.model_dump_json())
    command = [sys.executable, "-m", "aigc", "train", str(spec_file)]
    with (tmp_path / "log").open("wb") as log:
        first = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(lambda: list((tmp_path / "run").glob("checkpoints/*/checkpoint.json")), 300)
        first.kill()
        first.wait(30)
    made = run(spec)
    assert 0 < made["steps_run"] < made["steps"]


def test_errors_come_out_as_one_line(ray_session: None, digits_data: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no prepared data set"):
        run(tiny_spec(str(tmp_path / "nothing"), tmp_path))
    train(tiny_spec(digits_data, tmp_path, steps=2))
    with pytest.raises(SpecError, match="holds a run with other settings"):
        run(tiny_spec(digits_data, tmp_path, steps=2, seed=5))
    with pytest.raises(PlacementError, match=r"placement\.workers = 16"):
        run(tiny_spec(digits_data, tmp_path / "b", placement={"workers": 16}))


@pytest.mark.faults
def test_divergence_in_a_worker_is_not_tried_again(
    ray_session: None, digits_data: str, tmp_path: Path
) -> None:
    spec = tiny_spec(digits_data, tmp_path, lr=1e38, placement={"workers": 1})
    with pytest.raises(JobError, match="training diverged at step 4") as caught:
        run(spec)
    assert "\n" not in str(caught.value)


def test_a_busy_cluster_is_waited_for_but_not_for_ever(
    ray_session: None, digits_data: str, tmp_path: Path
) -> None:
    @ray.remote(num_cpus=2)
    class Hog:
        def ready(self) -> None: ...

    hog: Any = Hog.remote()  # type: ignore[attr-defined]
    ray.get(hog.ready.remote())
    placement = {"workers": 1, "startup_timeout_s": 4, "max_retries": 1}
    try:
        with pytest.raises(PlacementError, match="the cluster is busy"):
            run(tiny_spec(digits_data, tmp_path, placement=placement))
    finally:
        ray.kill(hog)


def test_a_run_on_s3_resumes_from_there(ray_session: None, digits_data: str, s3_uri: str) -> None:
    out = storage.join(s3_uri, "run")
    watch = {"samples": 50, "every_images": 32}
    train(tiny_spec(digits_data, out, steps=4, watch=watch))
    made = run(tiny_spec(digits_data, out, steps=8, watch=watch))
    assert made["steps_run"] == 4
    assert made["sheet"] == storage.join(out, "samples", "step-000000008.png")
    names = {entry.key.split("/")[0] for entry in storage.listing(out)}
    expected = {"checkpoints", "metrics.jsonl", "run.json", "samples", "tensorboard"}
    assert names == expected | {"best"}


@pytest.mark.faults
def test_remedies_reach_the_user_from_two_workers(
    ray_session: None, digits_data: str, tmp_path: Path
) -> None:
    watch = {"samples": 50, "every_images": 48, "patience": 1, "warm_up_images": 0}
    spec = tiny_spec(
        digits_data, tmp_path, lr=0.075, watch=watch, publish=True, placement={"workers": 2}
    )
    notes: list[str] = []
    with pytest.raises(JobError, match="not published, the model is collapsed"):
        run(spec, notice=notes.append)
    assert "collapse: coverage 0.0" in notes[0]
    assert "back to step 0" in notes[0]
    with pytest.raises(JobError, match="not published, the model is collapsed"):
        run(spec, notice=notes.append)
    assert "is already finished" in notes[-1]
