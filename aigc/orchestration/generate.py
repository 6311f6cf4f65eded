"""Bulk generation: plan, place shards, close the job. A rerun does what is missing."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aigc import storage
from aigc.errors import DiskFullError, StoreError
from aigc.generation import gates as gating
from aigc.generation.briefs import Briefs, Reject
from aigc.generation.engine import best_precision
from aigc.generation.pipeline import MakeShard
from aigc.generation.plan import Job
from aigc.orchestration import rounds
from aigc.orchestration.crew import Crew
from aigc.orchestration.estimate import estimate, limit
from aigc.orchestration.metrics import JobMetrics
from aigc.orchestration.place import choose_device, make_crew, place
from aigc.orchestration.planning import (
    plan_job,
    probe_draws,
    read_briefs,
    write_briefs,
)
from aigc.orchestration.pool import Pool
from aigc.orchestration.shard_work import MeasureGates, make_maker
from aigc.output import commit, manifest, openai_batch, read
from aigc.specs import Budget, Gates, GenerateSpec, Placement
from aigc.store import ModelStore, ModelVersion
from aigc.types import Json, Notice, Report, ShardRecord, silent, unheard

_SHOWN_REJECTS = 100


def run(
    spec: GenerateSpec,
    address: str | None = None,
    report: Report = silent,
    notice: Notice = unheard,
    metrics_port: int | None = None,
) -> Json:
    """Make the content set `spec` asks for, or finish it; returns its manifest.

    On the cluster at `address` or RAY_ADDRESS, else in processes of this machine. Prometheus
    finds the job's metrics at 127.0.0.1:`metrics_port`.

    Raises:
        SpecError: `out` holds another job, or a label is unknown. StoreError, StorageError,
            PlacementError, JobError: as their names say.
    """
    watch = _Watch(report, notice, metrics_port)
    out = storage.absolute(spec.out)
    with place(address) as on_cluster:
        version = ModelStore().resolve(spec.model)
        storage.require_writable(out)
        job, briefs, rejects = _open(spec, version, out, on_cluster, watch.notice)
        finished = commit.read_manifest(out)
        if finished is not None:
            manifest.tidy(out, job)
            watch.notice(f"{out} is already complete: {job.count:,} items; nothing to do")
            return finished
        crew = make_crew(job, briefs, version, out, spec.placement, on_cluster)
        _make_missing(job, out, crew, spec.placement, spec.budget, watch)
    return close(out, job, briefs, rejects)


def append(
    out: str,
    total: int,
    placement: Placement,
    address: str | None = None,
    report: Report = silent,
    notice: Notice = unheard,
    metrics_port: int | None = None,
) -> Json:
    """Let the finished set at `out` grow to `total` items; returns its manifest.

    Raises:
        SpecError: `total` is less than there is, or the set cannot grow.
    """
    watch, out = _Watch(report, notice, metrics_port), storage.absolute(out)
    job = commit.grow(out, total)
    version = _same_model(job, None)
    with place(address) as on_cluster:
        crew = make_crew(job, None, version, out, placement, on_cluster)
        _make_missing(job, out, crew, placement, Budget(), watch)
    return close(out, job)


def dry_run(spec: GenerateSpec, address: str | None = None, notice: Notice = unheard) -> Json:
    """Shards, bytes, seconds and cost of what `spec` asks for; nothing is written to its `out`.

    Raises:
        As `run`.
    """
    version = ModelStore().resolve(spec.model)
    storage.require_writable(storage.absolute(spec.out))
    with (
        place(address) as on_cluster,
        tempfile.TemporaryDirectory(prefix="aigc-dry-run-") as scratch,
    ):
        job, briefs, _ = _open(spec, version, scratch, on_cluster, notice)
        crew = make_crew(job, briefs, version, scratch, spec.placement, on_cluster)
        return estimate(job, crew, spec, notice)


def close(out: str, job: Job, briefs: Briefs | None = None, rejects: Sequence[Reject] = ()) -> Json:
    """What is left when every shard is committed: answers to a batch file, clean-up, manifest."""
    if briefs is not None and briefs.openai:
        openai_batch.write(out, job, briefs, commit.read_records(out), rejects)
    storage.delete_tree(storage.join(out, "_rounds"))
    return manifest.finish(out, job)


def regenerate(out: str, indices: list[int], model: str | None = None) -> dict[int, bytes]:
    """Items of the set at `out`, made again alone, as image files by index.

    Raises:
        StoreError: the model is gone, or is not the one the set was made with.
    """
    out = storage.absolute(out)
    job = commit.read_job(out)
    read.require_items(job, indices)
    version = _same_model(job, model)
    tensors, briefs = ModelStore().load(version), commit.read_briefs(out, job)
    maker = make_maker(job, version.config, tensors, briefs, judged=False)
    slots, draw = read.draws(out, job, commit.read_records(out), indices)
    files = maker.files(maker.make(slots, draw))
    return dict(zip(slots.tolist(), files, strict=True))


def _same_model(job: Job, where: str | None) -> ModelVersion:
    """The model `job` was made with, at `where` or as the job names it. Raises StoreError."""
    version = ModelStore().resolve(where or job.model_uri)
    if version.digest != job.model_digest:
        raise StoreError(
            f"{where or job.model_uri}: digest {version.digest[:12]}, the set was made with "
            f"{job.model_digest[:12]}; name that model by --model"
        )
    return version


def _open(
    spec: GenerateSpec, version: ModelVersion, out: str, on_cluster: bool, notice: Notice
) -> tuple[Job, Briefs | None, list[Reject]]:
    """The job at `out`, begun now or found there and held against `spec`; its briefs, and the rows
    that are none."""
    found = commit.find_job(out)
    if found is None:
        tensors = ModelStore().load(version)  # damage is found before anything is written
        gating.require(spec.gates, "scores" in spec.include, version.config, tensors)
    device = found.device if found else choose_device(spec.placement, on_cluster)
    precision = found.precision if found else best_precision(device)
    briefs, rejects = read_briefs(spec, version.config)
    if rejects:
        _say_rejects(rejects, out if out == storage.absolute(spec.out) else None, notice)

    def resolve(asked: Gates) -> Gates:
        if found is not None or asked.realism is None or asked.realism.percentile is None:
            return found.gates if found else asked
        ungated = plan_job(
            spec.model_copy(update={"gates": Gates()}), version, device, precision, briefs
        )
        return _measure(spec, version, ungated, briefs, on_cluster, notice)

    job = plan_job(spec, version, device, precision, briefs, resolve)
    job = commit.open_job(out, job)
    write_briefs(out, briefs, rejects)
    return job, briefs, rejects


def _say_rejects(rejects: list[Reject], out: str | None, notice: Notice) -> None:
    """The first, and that all are written to `out`; without it, some of them by themselves."""
    said = f"{len(rejects):,} briefs are rejected"
    if out is not None:
        first = f"the first in row {rejects[0].row}: {rejects[0].reason}"
        notice(f"{said}, {first}; all of them: {storage.join(out, 'rejects.jsonl')}")
        return
    notice(f"{said}:")
    for reject in rejects[:_SHOWN_REJECTS]:
        notice(f"row {reject.row}: {reject.reason}")
    if len(rejects) > _SHOWN_REJECTS:
        notice(f"and {len(rejects) - _SHOWN_REJECTS:,} more")


def _measure(
    spec: GenerateSpec,
    version: ModelVersion,
    job: Job,
    briefs: Briefs | None,
    on_cluster: bool,
    notice: Notice,
) -> Gates:
    """The gates of `spec` with percentiles resolved, where items will be made, on a probe that is
    the same everywhere."""
    config, found = version.config, list[Gates]()
    unit = MeasureGates(spec.gates, probe_draws(spec, config), config, ModelStore().load(version))
    one = spec.placement.model_copy(update={"workers": 1, "max_workers": None})
    crew = make_crew(job, briefs, version, spec.out, one, on_cluster)
    with Pool(crew, one, notice) as pool:
        pool.run([unit], 1, found.append)
    return found[0]


@dataclass(frozen=True)
class _Watch:
    """Who hears of a running job."""

    report: Report
    notice: Notice
    metrics_port: int | None


def _make_missing(
    job: Job, out: str, crew: Crew, placement: Placement, budget: Budget, watch: _Watch
) -> None:
    records = commit.read_records(out)
    done, loose = sum(record.rows for record in records.values()), 0
    if done:
        watch.notice(f"resuming: {done:,} of {job.count:,} items are already made")
    if len(records) == job.shards:
        return
    if note := commit.store_note(out):
        watch.notice(note)
    metrics = JobMetrics(job, records.values())
    if watch.metrics_port is not None:
        port = metrics.serve(watch.metrics_port)
        watch.notice(f"metrics: http://127.0.0.1:{port}/metrics")
    stop = limit(budget, crew.nodes)

    def add(record: ShardRecord) -> None:
        nonlocal done, loose
        done, loose = done + record.rows, loose + 1
        metrics.committed(record)
        if loose >= commit.COMPACT_AT:
            commit.compact(out)
            loose = 0

    def tell(done: float, total: float, **extra: Any) -> None:
        metrics.tick(done, pool.workers, pool.failures)
        watch.report(done, total, **extra, **metrics.refused)

    def tick(under_way: float) -> None:
        tell(min(done + under_way, job.count), job.count, workers=pool.workers)

    with _room_made(out), Pool(crew, placement, watch.notice) as pool:
        if job.gates.duplicates:
            rounds.run(job, out, records, pool, tell, watch.notice, stop)
            return
        todo = (MakeShard(shard) for shard in job.plan() if shard.number not in records)
        pool.run(todo, job.shards - len(records), add, tick, stop)


@contextlib.contextmanager
def _room_made(out: str) -> Iterator[None]:
    """When the disk is full, what stopped workers had begun does not take up room any longer."""
    try:
        yield
    except DiskFullError:
        storage.remove_unfinished(out, 0)
        raise
