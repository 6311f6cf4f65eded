"""The commit protocol: a shard's file counts once its record exists, and a record is made once.

OUT/_job.json              what the job is; a rerun must agree with it
OUT/data/part-00042-<attempt>.parquet
OUT/_records/00042.json    the winning attempt; see `output.records`
OUT/manifest.json          written last: the set is complete
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from aigc import storage
from aigc.data.entries import first_of_meaning
from aigc.errors import JobError, SpecError, StorageError
from aigc.job.briefs import Briefs
from aigc.job.plan import Job, Range
from aigc.output.files import folders
from aigc.output.records import (
    COMPACT_AT,
    commit,
    compact,
    forget,
    read_record,
    read_records,
    settle,
    store_note,
)
from aigc.output.writers import SUFFIX
from aigc.threads import each
from aigc.types import Json, Shard, ShardRecord

__all__ = [
    "COMPACT_AT",
    "LOST_RECORD",
    "briefs_uri",
    "commit",
    "compact",
    "data_file",
    "find_job",
    "grow",
    "job_uri",
    "made_of",
    "manifest_uri",
    "open_job",
    "read_briefs",
    "read_job",
    "read_manifest",
    "read_record",
    "read_records",
    "remove_orphans",
    "remove_unfinished",
    "require_complete",
    "settle",
    "store_note",
    "withdraw",
]

LOST_RECORD = "delete manifest.json and run the same command again"
"""What helps a set that was finished and has lost a record since."""
_OWN = ("data", "_rounds", "_records", "batch_output.jsonl", "batch_errors.jsonl")
"""Where a job writes files, other than whole ones, at its place."""
_STALE_S = 300.0
"""What nobody has written to for so long has lost its process."""


def job_uri(out: str) -> str:
    return storage.join(out, "_job.json")


def manifest_uri(out: str) -> str:
    return storage.join(out, "manifest.json")


def briefs_uri(out: str) -> str:
    return storage.join(out, "_briefs.parquet")


def read_briefs(out: str, job: Job) -> Briefs | None:
    """The set's own copy of its briefs, None for a plain job.

    Raises:
        StorageError: it is gone, or is not the one the job was planned with.
    """
    if job.briefs_digest is None:
        return None
    data = storage.read_bytes(briefs_uri(out))
    with contextlib.suppress(SpecError):
        briefs = Briefs.from_parquet(data, job.delivery.columns)
        if briefs.digest == job.briefs_digest:
            return briefs
    raise StorageError(f"{briefs_uri(out)}: damaged; restore it from a copy of the set")


def grow(out: str, total: int) -> Job:
    """Let the job of the complete set at `out` have `total` items; returns it as it is now.

    A set that grows and was stopped is taken up by the same `total`, and gives up growing by the
    one it had before.

    Raises:
        SpecError: `total` is below what there is, or the set cannot grow or is not complete.
    """
    job = read_job(out)
    if total == job.count:
        _require_not_begun_by_generate(out, job)
        return job
    if total < job.count:
        return _shrink(out, job, total)
    if _is_whole(job):
        why = "made from briefs" if job.briefs_digest else "made with gates.duplicates"
        raise SpecError(
            f"{out}: {why}, so it cannot be appended to; make another set and `aigc merge` them"
        )
    if len(read_records(out)) != job.shards:
        lost = read_manifest(out) is not None
        advice = LOST_RECORD if lost else "finish it before you append to it"
        raise SpecError(f"{out}: not finished; {advice}")
    ranges = (*job.ranges, Range(start=job.count, stop=total))
    larger = Job.model_validate(job.model_dump() | {"count": total, "ranges": ranges})
    storage.delete(manifest_uri(out))
    storage.write_bytes(job_uri(out), larger.to_json())
    return larger


def _shrink(out: str, job: Job, total: int) -> Job:
    """Back to what the set had before it began to grow, which it has not finished."""
    if read_manifest(out) is not None:
        raise SpecError(f"{out}: has {job.count:,} items, {total:,} requested; request more")
    earlier = [found.stop for found in job.ranges[:-1]]
    if total not in earlier:
        back = "".join(f", or {stop:,} to give that up" for stop in earlier[-1:])
        raise SpecError(
            f"{out}: an append to {job.count:,} items is unfinished, {total:,} requested; request "
            f"more{back}"
        )
    ranges = job.ranges[: earlier.index(total) + 1]
    smaller = Job.model_validate(job.model_dump() | {"count": total, "ranges": ranges})
    forget(out, smaller.shards)
    storage.write_bytes(job_uri(out), smaller.to_json())
    return smaller


def _is_whole(job: Job) -> bool:
    """Whether it can only be made as one: from its briefs, or compared with itself."""
    return job.briefs_digest is not None or job.gates.duplicates is not None


def _require_not_begun_by_generate(out: str, job: Job) -> None:
    """An unfinished set that cannot have grown needs what only its first command knows."""
    if _is_whole(job) and read_manifest(out) is None:
        raise SpecError(
            f"{out}: not finished; finish it with the `aigc generate` command that started it"
        )


def data_file(job: Job, shard: Shard, attempt: str) -> str:
    name = f"part-{shard.number:05d}-{attempt}{SUFFIX[job.writer]}"
    return storage.join("data", shard.folder, name)


def open_job(out: str, job: Job) -> Job:
    """Start or take up `job` at `out`; returns the job as first written.

    Raises:
        SpecError: `out` holds another job, or files that are none of ours.
    """
    found = find_job(out)
    if found is None:
        _require_empty(out)
        if storage.create(job_uri(out), job.to_json()):
            return job
        found = read_job(out)
    _require_same(out, found, job)
    remove_unfinished(out, _STALE_S)
    taken_up = found.taken_up_by(job)
    if taken_up != found and read_manifest(out) is None:
        storage.write_bytes(job_uri(out), taken_up.to_json())
        return taken_up
    return found


def made_of(out: str, job: Job) -> dict[int, ShardRecord]:
    """What there is of `job` at `out`.

    Raises:
        SpecError: `out` holds another job, or files that are none of ours.
    """
    found = find_job(out)
    if found is None:
        _require_empty(out)
        return {}
    _require_same(out, found, job)
    return read_records(out)


def _require_empty(out: str) -> None:
    if foreign := first_of_meaning(out):
        raise SpecError(f"out = {out}: not empty ({foreign}); choose an empty place")


def _require_same(out: str, found: Job, job: Job) -> None:
    if differences := found.differences(job):
        raise SpecError(
            f"out = {out}: holds a different job ({'; '.join(differences)}); choose another out"
        )


def withdraw(out: str) -> bool:
    """Take back a job that nobody works on and that has no shard committed, so that another may
    begin there; False when it has one."""
    if read_records(out):
        return False
    for folder in ("_rounds", "data", *folders(), "_records"):
        storage.delete_tree(storage.join(out, folder))
    for uri in (briefs_uri(out), storage.join(out, "rejects.jsonl"), job_uri(out)):
        storage.delete(uri)
    remove_unfinished(out)
    return True


def read_job(out: str) -> Job:
    """Raises SpecError when `out` holds no job."""
    job = find_job(out)
    if job is None:
        inside = storage.folders(storage.join(out, "sets"))
        if inside:
            raise SpecError(f"{out}: a merged set; name one inside, {out}/sets/{inside[0]}")
        raise SpecError(f"{out}: no content set here (no _job.json); check the path")
    return job


def find_job(out: str) -> Job | None:
    uri = job_uri(out)
    data = storage.read_if_there(uri)
    return None if data is None else Job.from_json(data, uri)


def read_manifest(out: str) -> Json | None:
    """None when there is none. Raises DamagedError when it is no JSON object."""
    return storage.read_json(manifest_uri(out))


def require_manifest(out: str) -> Json:
    """The manifest of a finished set. Raises JobError when there is none."""
    manifest = read_manifest(out)
    if manifest is None:
        raise JobError(
            f"{out}: not finished (no manifest.json); run the command that makes it again"
        )
    return manifest


def require_complete(
    job: Job, records: dict[int, ShardRecord], out: str, advice: str = "run the same command again"
) -> None:
    """Raises JobError, with `advice`, unless the planned shards are committed, each as planned."""
    for shard in job.plan():
        record = records.get(shard.number)
        if record is None:
            raise JobError(f"{out}: shard {shard.number} is missing; {advice}")
        if (record.start, record.stop) != (shard.start, shard.stop):
            raise JobError(f"{out}: shard {shard.number} holds other items than planned")
    if len(records) != job.shards:
        raise JobError(f"{out}: {len(records)} records for {job.shards} planned shards")


def remove_orphans(out: str, records: Iterable[ShardRecord]) -> int:
    """Delete data files no record names and whatever is unfinished; returns how many there were.

    Call it only when the job is complete: then an unnamed file can never be committed. An attempt
    still at work on one fails, and finds its shard done when it is tried again.
    """
    named = {record.file for record in records}
    orphans = [
        entry.uri
        for entry in storage.listing(storage.join(out, "data"))
        if f"data/{entry.key}" not in named
    ]
    each(storage.delete, orphans)
    return len(orphans) + remove_unfinished(out)


def remove_unfinished(out: str, older_than_s: float = 0) -> int:
    """Drop what attempts at the job at `out` began to write longer ago; returns the number.

    Files of others below `out`, which may be a whole bucket, are left alone.
    """
    records = storage.join(out, "_records")
    return storage.remove_unfinished(
        out, older_than_s, (*_OWN, *folders())
    ) + storage.remove_unfinished(records, older_than_s, ("packed",))
