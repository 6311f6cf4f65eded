"""Progress of a content set, read from its records without asking a cluster."""

from __future__ import annotations

import bisect
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from aigc.job.plan import Job
from aigc.output import commit
from aigc.types import Json, ShardRecord

_LATEST = 64
_MIN_SPAN_S, _MIN_IDLE_S = 10.0, 120.0


@dataclass(frozen=True)
class Progress:
    """`committed`: numbers of the committed shards in order. `fields`: those of the API."""

    job: Job
    committed: Sequence[int]
    fields: Json

    def committed_from(self, number: int) -> Sequence[int]:
        return self.committed[bisect.bisect_left(self.committed, number) :]


def progress_of(out: str, before: Progress | None = None) -> Progress:
    """Read the progress; `before` is the last result. Of a finished set only the manifest is read.

    Raises:
        SpecError: there is no set. JobError, StorageError: it cannot be read.
    """
    job = commit.read_job(out)
    manifest = commit.read_manifest(out)
    if manifest is None:
        return _unfinished(job, commit.read_records(out))
    if before is not None and before.fields["state"] == "complete" and before.job == job:
        return before
    fields = {
        **_plan(job, manifest["items"], job.shards, manifest["size_bytes"]),
        "state": "complete",
        "labels": manifest["labels"],
        "refused": manifest["refused"],
        "created": manifest["created"],
    }
    return Progress(job, range(job.shards), fields)


def _unfinished(job: Job, records: dict[int, ShardRecord]) -> Progress:
    found = list(records.values())
    labels, refused = Counter[str](), Counter[str]()
    for record in found:
        labels.update(record.labels)
        refused.update(record.refused)
    done = sum(record.rows for record in found)
    rate, age_s, running = _rate(found)
    fields = {
        **_plan(job, done, len(found), sum(record.size_bytes for record in found)),
        "state": "running" if running else "unfinished",
        "labels": dict(sorted(labels.items())),
        "refused": dict(sorted(refused.items())),
        "items_per_s": rate and round(rate, 1),
        "left_s": round((job.count - done) / rate, 1) if rate and running else None,
        "last_commit_age_s": age_s and round(age_s, 1),
    }
    return Progress(job, sorted(records), fields)


def _plan(job: Job, items: int, shards: int, size_bytes: int) -> Json:
    brief = job.briefs_digest is not None
    return {
        "object": "set",
        "model": job.model,
        "model_digest": job.model_digest,
        "items": items,
        "count": job.count,
        "shards": shards,
        "planned_shards": job.shards,
        "size_bytes": size_bytes,
        "seed": None if brief else job.seed,
        "modality": job.modality,
        **{
            column.name: None if brief else getattr(job.form, column.name)
            for column in job.delivery.columns
            if column.kept
        },
        "items_per_s": None,
        "left_s": None,
        "last_commit_age_s": None,
    }


def _rate(records: Collection[ShardRecord]) -> tuple[float | None, float | None, bool]:
    """Recent items per second, the age of the last commit, and whether the job counts as running:
    the age is below four times the duration of a shard."""
    latest = sorted(records, key=_ended)[-_LATEST:]
    if not latest:
        return None, None, False
    end, longest_s = _ended(latest[-1]), max(record.wall_s for record in latest)
    span_s = max(_MIN_SPAN_S, 4 * longest_s)
    within = [record for record in records if _ended(record) > end - span_s]
    began = max(end - span_s, min(record.started_at for record in within))
    age_s = max(0.0, time.time() - end)
    rate = sum(record.rows for record in within) / max(end - began, 1e-3)
    return rate, age_s, age_s < max(_MIN_IDLE_S, 4 * longest_s)


def _ended(record: ShardRecord) -> float:
    return record.started_at + record.wall_s
