"""Checking a content set against its job: nothing missing, doubled, damaged or changed."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from aigc import storage
from aigc.data.entries import reason_to_ignore
from aigc.errors import JobError
from aigc.generation.pipeline import counted
from aigc.job.briefs import Briefs
from aigc.job.keys import ATTEMPT, Ints
from aigc.job.plan import Job, keys_at
from aigc.output import commit
from aigc.output.records import totals, unstamped
from aigc.output.schema import add_digests, content_digest, format_digest
from aigc.provenance.extra import is_installed
from aigc.sets import read, shard_list
from aigc.sets.credentials import require_credential
from aigc.sets.merge import merged_sets
from aigc.sets.stored import StoredItem, StoredRows
from aigc.types import Json, Report, ShardRecord, silent

_CHUNK_BYTES = 2**20
_THREADS = 4


def verify(out: str, decode_items: int = 1000, report: Report = silent) -> Json:
    """Read every file and compare it with the plan, its record and the manifest.

    `decode_items` items, spread evenly over the set, are decoded as well, and their credentials
    checked if the set is signed and c2pa-python is installed.

    Raises:
        JobError: the first thing that is not as it should be.
    """
    parts = merged_sets(out)
    if parts:
        return _verify_merged(out, parts, decode_items, report)
    job = commit.read_job(out)
    manifest = commit.require_manifest(out)
    records, briefs = commit.read_records(out), commit.read_briefs(out, job)
    commit.require_complete(job, records, out, commit.LOST_RECORD)
    stray = _stray_files(out, records.values())
    if stray:
        raise JobError(f"{out}: {stray[0]} belongs to no record; run the same command again")
    step = max(1, job.count // decode_items) if decode_items else 0
    _verify_shards(out, job, briefs, records, step, report)
    if list(shard_list.read(out, manifest)) != list(records.values()):
        raise JobError(
            f"{out}/manifest.json: shards differ from the records; delete it and run the job again"
        )
    digest = add_digests([record.content for record in records.values()])
    _require_said(out, manifest, totals(records.values()) | {"content_digest": digest}, "records")
    lacking = {"unstamped": unstamped(records.values())}
    _require_said(out, {"unstamped": 0} | manifest.get("provenance", {}), lacking, "records")
    return {
        "out": out,
        "items": job.count,
        "shards": len(records),
        "labels": manifest["labels"],
        "decoded": len(range(0, job.count, step)) if step else 0,
        "content_digest": digest,
    } | _credentials(job, step, lacking)


def _credentials(job: Job, step: int, lacking: Json) -> Json:
    """Of a signed set: whether those of the decoded items were checked, and how many items have no
    time stamp although the job asks for one."""
    if job.provenance.credentials is None:
        return {}
    checked = "checked" if step and is_installed("c2pa") else "not checked"
    return {"credentials": checked} | lacking


def _require_said(out: str, manifest: Json, found: Json, whose: str) -> None:
    for name, value in found.items():
        if manifest[name] != value:
            raise JobError(f"{out}/manifest.json: {name} differs from that of the {whose}")


def _verify_merged(out: str, parts: list[str], decode_items: int, report: Report) -> Json:
    """Each set by itself, and what the manifest says of all."""
    manifest = commit.read_manifest(out)
    if manifest is None:
        raise JobError(f"{out}: not finished (no manifest.json); run the same merge again")
    found, before = [], 0
    for part in parts:
        found.append(verify(part, decode_items, _further(report, before, manifest["items"])))
        before += found[-1]["items"]
    items = sum(part["items"] for part in found)
    digest = add_digests([part["content_digest"] for part in found])
    labels: Counter[str] = Counter()
    for one in found:
        labels.update(one["labels"])
    whole = {"items": items, "labels": dict(sorted(labels.items())), "content_digest": digest}
    _require_said(out, manifest, whole, "sets")
    lacking = sum(one.get("unstamped", 0) for one in found)
    return {
        "out": out,
        "items": items,
        "shards": sum(part["shards"] for part in found),
        "labels": manifest["labels"],
        "decoded": sum(part["decoded"] for part in found),
        "content_digest": digest,
    } | ({"unstamped": lacking} if lacking else {})


def _further(report: Report, before: int, whole: int) -> Report:
    """`report`, for a part of the `whole` that comes after `before` items."""

    def told(done: float, total: float, **metrics: Any) -> None:
        report(before + done, whole, **metrics)

    return told


def _verify_shards(
    out: str,
    job: Job,
    briefs: Briefs | None,
    records: Mapping[int, ShardRecord],
    decode_step: int,
    report: Report,
) -> None:
    """Some at a time: while one is read, another is hashed."""
    done, left, at_work = 0, iter(records.values()), dict[Future[None], int]()
    pool = ThreadPoolExecutor(_THREADS)
    try:
        while True:
            for record in itertools.islice(left, 2 * _THREADS - len(at_work)):
                future = pool.submit(_verify_shard, out, job, briefs, record, decode_step)
                at_work[future] = record.rows
            if not at_work:
                return
            for future in wait(at_work, return_when=FIRST_COMPLETED).done:
                future.result()
                done += at_work.pop(future)
                report(done, job.count)
    finally:
        pool.shutdown(cancel_futures=True)


def _verify_shard(
    out: str, job: Job, briefs: Briefs | None, record: ShardRecord, decode_step: int
) -> None:
    where = storage.join(out, record.file)
    if _sha256(where) != record.sha256:
        raise JobError(f"{where}: SHA-256 differs from its record; the file was changed or damaged")
    content, expected, labels = 0, record.start, Counter[str]()
    for part in read.rows(out, job, record):
        stop = expected + len(part.files)
        if not np.array_equal(part.indices, np.arange(expected, stop)):
            raise JobError(f"{where}: item indices are not {expected} to {stop - 1} in order")
        codes = _require_planned(where, job, briefs, part)
        content += content_digest(part.indices, job.as_unsigned(part.files), codes)
        _decode_some(where, job, part, decode_step)
        labels.update(counted(job, codes))
        expected = stop
    if expected != record.stop:
        raise JobError(f"{where}: ends at item {expected - 1}, planned {record.stop - 1}")
    if format_digest(content) != record.content:
        raise JobError(f"{where}: content digest differs from its record")
    if labels != record.labels:
        raise JobError(f"{where}: its record counts other labels than it holds")


def _require_planned(where: str, job: Job, briefs: Briefs | None, part: StoredRows) -> Ints | None:
    """Each row is a candidate of its own item: its counter, seed, label and id follow from it.
    Returns the codes of what the items were asked to be."""
    attempts = part.candidates // ATTEMPT
    asked = keys_at(job, briefs, part.indices, attempts)
    span = f"items {part.indices[0]} to {part.indices[-1]}"
    if (
        not np.array_equal(asked.counters, part.candidates)
        or not (attempts < _most_attempts(job)).all()
    ):
        raise JobError(f"{where}: candidates of {span} are not their own")
    if not np.array_equal(asked.seeds.astype(np.int64), part.seeds):
        raise JobError(f"{where}: seeds of {span} are not as planned")
    labels = job.named_codes(asked)
    if part.labels is not None and (labels is None or not np.array_equal(part.labels, labels)):
        raise JobError(f"{where}: labels of {span} are not as planned")
    if part.ids != job.item_ids(asked, part.indices, briefs):
        raise JobError(f"{where}: ids of {span} are not the job's")
    return job.codes(asked)


def _most_attempts(job: Job) -> int:
    """How many candidates one item may have had."""
    return job.gates.max_draws if job.gates.any else 1


def _decode_some(where: str, job: Job, part: StoredRows, step: int) -> None:
    if not step:
        return
    for position, index in enumerate(part.indices.tolist()):
        if index % step:
            continue
        try:
            item = part.item(position, job)
            shape = item.values().shape
            require_credential(job, item.file, part.ids[position])
        except ValueError as error:
            raise JobError(f"{where}: item {index}: {error}") from None
        if shape != item.shape:
            raise JobError(f"{where}: item {index} is {shape}, not the size it was asked in")


def _stray_files(out: str, records: Iterable[ShardRecord]) -> list[str]:
    named = {record.file for record in records}
    listed = (entry.key for entry in storage.listing(storage.join(out, "data")))
    files = (f"data/{key}" for key in listed if not reason_to_ignore(key))
    return [file for file in files if file not in named]


def _sha256(uri: str) -> str:
    digest = hashlib.sha256()
    with storage.open_input(uri) as source:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def difference(made: bytes, stored: StoredItem) -> str:
    """How far two files of one item are apart, for people."""
    job = stored.job
    try:
        a, b = dataclasses.replace(stored, file=made).values(), stored.values()
    except ValueError as error:
        return f"one of the two cannot be compared: {error}"
    if a.shape != b.shape:
        return f"made again it is {a.shape}, stored {b.shape}"
    return (
        f"made again it differs {job.delivery.gap(a, b)}; the set was made on {job.device} in "
        f"{job.precision}"
    )
