"""Placing `training.train` on a cluster with Ray Train, and publishing what comes out.

Ray Train starts the workers, sets up torch.distributed and starts them again when one dies; saving
and resuming is the loop's own, so a run without Ray, or with another number of workers, goes on
from the same checkpoints.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import ray
import ray.train
import torch
from fsspec.implementations.memory import MemoryFileSystem
from pyarrow.fs import FSSpecHandler, PyFileSystem
from ray.train.torch import TorchConfig
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2.api.config import FailureConfig, LoggingConfig, RunConfig, ScalingConfig
from ray.train.v2.torch.torch_trainer import TorchTrainer

from aigc import storage, training
from aigc.distributed.channel import ChannelSender, open_channel
from aigc.distributed.ray_errors import reason
from aigc.distributed.session import Workers, connect, plan_workers
from aigc.errors import AigcError, JobError, PlacementError
from aigc.execution.publish import publish
from aigc.specs import Placement, TrainSpec
from aigc.training import TrainResult
from aigc.types import Json, Notice, Report, no_notice, silent

_POLL_S = 0.5
_ANSWER_S = 60.0
_LAST_CHECKPOINT_S = 300.0
_RAY_TRAIN = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
}


class _Trainer(TorchTrainer):
    """Without Ray Train's placement group cleaner: it asks the first cluster it finds on the
    machine, which may be another, whether this run still lives, and a run it does not find there
    it takes for dead. The group goes with the driver's job anyway."""

    def _create_default_callbacks(self) -> list[Any]:
        callbacks = super()._create_default_callbacks()
        return [each for each in callbacks if not isinstance(each, PlacementGroupCleanerCallback)]


def run(
    spec: TrainSpec,
    address: str | None = None,
    report: Report = silent,
    notice: Notice = no_notice,
) -> Json:
    """Train on the cluster at `address` (none: this machine) and publish the result.

    The same spec resumes a run; a finished and published run is left unchanged. `report` receives
    the images done and in total, `notice` messages for the user.

    Returns:
        The metrics of training, `out` and `sheet`, where the newest samples are; with
        `spec.publish` also `model` and `uri`.

    Raises:
        AigcError: as `training.train` and `publish`; PlacementError also if the cluster has no
            capacity.
    """
    places = {"data": storage.absolute(spec.data), "out": storage.absolute(spec.out)}
    spec = spec.model_copy(update=places)
    if training.is_finished(spec):
        ended = training.stop_reason(spec)
        more = f"ended at {ended}; train on" if ended else "raise steps or max_seconds to train on"
        notice(f"{spec.out} is already finished; {more}" + (" in another out" if ended else ""))
        return publish(spec, training.train(spec))
    with connect(address):
        workers = _plan(spec)
        result = _fit(spec, workers, report, notice)
    return publish(spec, result)


def _plan(spec: TrainSpec) -> Workers:
    """The largest number of workers that divides the batch evenly.

    On a cluster of one node they share all its CPUs, unless the spec sets `cpus_per_worker`.
    """
    workers = plan_workers(spec.placement)
    count = workers.count
    while spec.batch_size % (count * spec.accumulate):
        count -= 1
    cpus = workers.cpus
    alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    if len(alive) == 1 and "cpus_per_worker" not in spec.placement.model_fields_set:
        cpus = max(cpus, float(int(alive[0]["Resources"].get("CPU", 1) / count)))
    return Workers(count, cpus, workers.gpus)


def _fit(spec: TrainSpec, workers: Workers, report: Report, notice: Notice) -> TrainResult:
    channel = open_channel()
    outcome: list[BaseException | None] = []
    with _environment(spec.placement), _on_sigterm() as stopping:
        trainer = _trainer(spec, workers, channel)
        thread = threading.Thread(target=_call, args=(trainer, outcome), daemon=True)
        thread.start()
        try:
            _follow(thread, channel, report, notice, stopping)
        except KeyboardInterrupt:
            _stop(channel, thread)
            raise
        failure, result = _get(channel.outcome.remote())
        _pass_on(channel, notice)
    if failure is not None:
        raise failure
    if outcome and outcome[0] is not None:
        raise _explain(outcome[0], spec, workers) from None
    if not isinstance(result, TrainResult):
        raise JobError(f"{spec.out}: the workers ended without a result; run the command again")
    return result


def _trainer(spec: TrainSpec, workers: Workers, channel: Any) -> _Trainer:
    """Ray Train requires a location for checkpoints. The training loop saves its own, so that
    location is in memory."""
    resources = {"CPU": workers.cpus} | ({"GPU": workers.gpus} if workers.gpus else {})
    return _Trainer(
        _work,
        train_loop_config={"spec": spec, "channel": channel, "cpus": workers.cpus},
        torch_config=TorchConfig(timeout_s=int(spec.placement.unit_timeout_s)),
        scaling_config=ScalingConfig(
            num_workers=workers.count,
            use_gpu=workers.gpus > 0,
            resources_per_worker=resources,
        ),
        run_config=RunConfig(
            name=spec.name,
            storage_path="/aigc",
            storage_filesystem=PyFileSystem(FSSpecHandler(MemoryFileSystem())),
            failure_config=FailureConfig(
                max_failures=spec.placement.max_retries,
                controller_failure_limit=spec.placement.max_retries,
            ),
            logging_config=LoggingConfig(log_level="CRITICAL"),
        ),
    )


def _work(config: dict[str, Any]) -> None:
    """Main function of a worker. An AigcError is sent to the channel and ends the run without
    retries, which would fail as well.

    With several workers it is also raised, so that Ray Train stops the others, which wait for this
    one; when restarted they find the failure in the channel and return.
    """
    spec, channel = config["spec"], config["channel"]
    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    if ray.get(channel.register.remote(rank), timeout=_ANSWER_S):
        return
    torch.set_num_threads(max(1, int(config["cpus"])))
    sender = ChannelSender(channel)
    try:
        result = training.train(
            spec,
            rank=rank,
            world=world,
            report=sender.report,
            stop=sender.stop,
            notice=sender.notice,
        )
    except AigcError as error:
        ray.get(channel.fail.remote(error), timeout=_ANSWER_S)
        if world > 1:
            raise
        return
    if rank == 0:
        ray.get(channel.finish.remote(result), timeout=_ANSWER_S)


def _call(trainer: _Trainer, outcome: list[BaseException | None]) -> None:
    try:
        trainer.fit()
        outcome.append(None)
    except BaseException as error:
        outcome.append(error)


def _follow(
    thread: threading.Thread,
    channel: Any,
    report: Report,
    notice: Notice,
    stopping: threading.Event,
) -> None:
    """Forward progress until `thread` ends; Ray Train has its own timeouts."""
    starts, shown = 0, None
    while thread.is_alive():
        thread.join(_POLL_S)
        if stopping.is_set():
            _stop(channel, thread)
            return
        _pass_on(channel, notice)
        latest, started = _get(channel.latest.remote())
        if started > max(1, starts):
            notice("a worker was lost; continuing from the last checkpoint")
        starts = started
        if latest is not None and latest != shown:
            done, total, figures = shown = latest
            report(done, total, **figures)


def _pass_on(channel: Any, notice: Notice) -> None:
    for message in _get(channel.notes.remote()):
        notice(message)


def _stop(channel: Any, thread: threading.Thread) -> None:
    """Request a last checkpoint of rank 0 and wait up to `_LAST_CHECKPOINT_S`."""
    _get(channel.stop.remote())
    until = time.monotonic() + _LAST_CHECKPOINT_S
    while thread.is_alive() and time.monotonic() < until:
        thread.join(_POLL_S)


def _get(answer: Any) -> Any:
    try:
        return ray.get(answer, timeout=_ANSWER_S)
    except ray.exceptions.RayError as error:
        raise JobError(
            f"the cluster was lost ({reason(error)}); run the same command again to continue"
        ) from None


def _explain(error: BaseException, spec: TrainSpec, workers: Workers) -> AigcError:
    if isinstance(error, ray.train.ControllerError):
        cause = error.controller_failure
        if "Timeout" in type(cause).__name__:
            return PlacementError(
                f"no capacity for {workers.count} worker(s) with {workers.cpus:g} CPU and "
                f"{workers.gpus:g} GPU within placement.startup_timeout_s = "
                f"{spec.placement.startup_timeout_s:g} s: the cluster is busy; try later, or lower "
                "placement.workers"
            )
        return JobError(f"Ray Train could not start the workers: {reason(cause)}")
    if isinstance(error, ray.train.WorkerGroupError):
        cause = next(iter(error.worker_failures.values()), error)
        return JobError(
            f"training failed {spec.placement.max_retries + 1} times, last with: "
            f"{reason(cause)}; run the same command again to continue from the last checkpoint "
            f"in {spec.out}"
        )
    return JobError(f"training failed: {reason(error)}")


@contextlib.contextmanager
def _environment(placement: Placement) -> Iterator[None]:
    """Set what Ray Train reads from the driver's environment."""
    each_try_s = max(1.0, placement.startup_timeout_s / (placement.max_retries + 1))
    wanted = _RAY_TRAIN | {"RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": f"{each_try_s:g}"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _on_sigterm() -> Iterator[threading.Event]:
    stop_requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop_requested
        return
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: stop_requested.set())
    try:
        yield stop_requested
    finally:
        signal.signal(signal.SIGTERM, before)
