"""Bulk generation on a cluster: plan, place shards, close the job. A rerun does what is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import ray
import torch

from aigc import storage
from aigc.errors import StoreError
from aigc.generation.conditions import label_pattern
from aigc.generation.engine import Device, Engine, Sampling, best_precision
from aigc.generation.pipeline import files_of, run_shard
from aigc.generation.plan import Job, shard_items
from aigc.models.config import ModelConfig
from aigc.orchestration.pool import Pool
from aigc.orchestration.session import Workers, connect, plan_workers
from aigc.output import commit, manifest, read
from aigc.specs import GenerateSpec, Placement
from aigc.store import ModelStore, ModelVersion
from aigc.types import Json, Notice, Report, Shard, ShardRecord, silent, unheard

Tensors = dict[str, torch.Tensor]


def run(
    spec: GenerateSpec,
    address: str | None = None,
    report: Report = silent,
    notice: Notice = unheard,
) -> Json:
    """Make the content set `spec` asks for, or finish it; returns its manifest.

    Raises:
        SpecError: `out` holds another job, or a label is unknown. StoreError, StorageError,
            PlacementError, JobError: as their names say.
    """
    out = storage.absolute(spec.out)
    store = ModelStore()
    version = store.resolve(spec.model)
    storage.require_writable(out)
    found = commit.find_job(out)
    if found is not None:
        job = commit.open_job(out, plan_job(spec, version, found.device, found.precision))
        finished = commit.read_manifest(out)
        if finished is not None:
            notice(f"{out} is already complete: {job.count:,} items; nothing to do")
            return finished
    tensors = store.load(version)
    with connect(address):
        device: Device = found.device if found else choose_device(spec.placement)
        precision = found.precision if found else best_precision(device)
        job = commit.open_job(out, plan_job(spec, version, device, precision))
        _make_missing(job, version.config, tensors, out, spec.placement, report, notice)
    return manifest.finish(out, job)


def regenerate(out: str, indices: list[int], model: str | None = None) -> dict[int, bytes]:
    """Items of the set at `out`, made again alone, as image files by index.

    Raises:
        StoreError: the model is gone, or is not the one the set was made with.
    """
    out = storage.absolute(out)
    job = commit.read_job(out)
    read.require_items(job, indices)
    store = ModelStore()
    version = store.resolve(model or job.model_uri)
    if version.digest != job.model_digest:
        raise StoreError(
            f"{model or job.model_uri}: digest {version.digest[:12]}, the set was made with "
            f"{job.model_digest[:12]}; name that model by --model"
        )
    engine = make_engine(job, version.config, store.load(version))
    made: dict[int, bytes] = {}
    for index in indices:
        rendered = next(iter(engine.render(index, index + 1)))
        made[index] = files_of(job, rendered)[0]
    return made


def plan_job(spec: GenerateSpec, version: ModelVersion, device: Device, precision: str) -> Job:
    """`spec` with every default resolved: all that decides the set's content."""
    config = version.config
    known = config.labels if config.conditional else ()
    return Job(
        model=version.ref,
        model_uri=version.uri,
        model_digest=version.digest,
        count=spec.count,
        seed=spec.seed,
        pattern=tuple(label_pattern(known, spec.labels).tolist()),
        labels=known,
        truncation=spec.truncation,
        codec=spec.codec,
        quality=spec.quality,
        precision=cast("Any", precision if spec.precision == "auto" else spec.precision),
        device=device,
        micro_batch=spec.micro_batch,
        shard_items=shard_items(spec, config),
        embed_provenance=spec.embed_provenance,
        height=config.height,
        width=config.width,
        channels=config.channels,
    )


def make_engine(job: Job, config: ModelConfig, tensors: Tensors) -> Engine:
    pattern = np.asarray(job.pattern, dtype=np.int64)
    sampling = Sampling(
        job.seed, pattern, job.truncation, job.micro_batch, job.precision, job.device
    )
    return Engine(config, tensors, sampling)


def choose_device(placement: Placement) -> Device:
    """Where this cluster makes items: on GPUs if a worker gets one, else on CPUs."""
    return "cuda" if plan_workers(placement).gpus else "cpu"


class ShardWorker:
    """One process that makes shards. Loads the model with its first shard and keeps it."""

    def __init__(self, job: Job, config: ModelConfig, tensors: Tensors, out: str, threads: int):
        torch.set_num_threads(threads)
        self._job, self._config, self._tensors, self._out = job, config, tensors, out
        self._engine: Engine | None = None
        self._items = 0

    def run(self, shard: Shard) -> ShardRecord:
        if self._engine is None:
            self._engine = make_engine(self._job, self._config, self._tensors)
        self._items = 0
        return run_shard(self._job, shard, self._engine, self._out, self._add)

    def items(self) -> int:
        return self._items

    def _add(self, count: int) -> None:
        self._items += count


def _make_missing(
    job: Job,
    config: ModelConfig,
    tensors: Tensors,
    out: str,
    placement: Placement,
    report: Report,
    notice: Notice,
) -> None:
    records = commit.read_records(out)
    todo = [shard for shard in job.plan() if shard.number not in records]
    done = sum(record.rows for record in records.values())
    if done:
        notice(f"resuming: {done:,} of {job.count:,} items are already made")
    if not todo:
        return
    gpus = placement.gpus_per_worker if job.device == "cuda" else 0
    workers = plan_workers(placement.model_copy(update={"gpus_per_worker": gpus}), len(todo))

    def add(record: ShardRecord) -> None:
        nonlocal done
        done += record.rows

    def tick(under_way: float) -> None:
        report(min(done + under_way, job.count), job.count, workers=workers.count)

    make = _actor_factory(job, config, tensors, out, workers)
    Pool(make, placement).run(todo, workers, add, tick, notice)


def _actor_factory(
    job: Job, config: ModelConfig, tensors: Tensors, out: str, workers: Workers
) -> Callable[[], Any]:
    shared = ray.put(tensors)
    actor = ray.remote(ShardWorker).options(max_concurrency=2, **workers.ray_options)
    threads = max(1, int(workers.cpus))
    return lambda: actor.remote(job, config, shared, out, threads)
