"""Several finished sets under one roof, each whole and checkable as before.

OUT/sets/00/…     a copy of the first set: its job, records, data and manifest
OUT/manifest.json what all of them hold together; written last
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

from aigc import storage
from aigc.audit import open_log
from aigc.data.entries import first_of_meaning
from aigc.errors import JobError, SpecError
from aigc.job.plan import Job
from aigc.output import commit, files
from aigc.output.schema import add_digests
from aigc.sets import collisions
from aigc.types import Json, Report, silent

_FIRST, _LAST = "_job.json", "manifest.json"
_COPIES = 8

Copies = list[tuple[str, str]]


def merge(out: str, sets: Sequence[str], report: Report = silent) -> Json:
    """Copy the finished `sets` below `out`, or finish doing so; returns the manifest of all.

    Raises:
        SpecError: a set is unfinished or there twice, two would hold the same items, or `out` holds
            something else. StorageError, AuditError.
    """
    out = storage.absolute(out)
    sources = [storage.absolute(uri) for uri in sets]
    jobs = [_finished(uri) for uri in sources]
    _require_different(sources, jobs)
    storage.require_writable(out)
    finished = _read(out)
    _require_ours(out, jobs, finished)
    if finished is not None and len(finished["sets"]) == len(jobs):
        return finished
    _copy_all(_missing(out, sources), report)
    manifest = _manifest(out, sources, jobs)
    kept = {name: manifest[name] for name in ("content_digest", "items")}
    open_log().record("set.released", set=out, merged=sources, **kept)
    storage.write_bytes(commit.manifest_uri(out), json.dumps(manifest, indent=1).encode())
    return manifest


def merged_sets(out: str) -> list[str]:
    """URIs of the sets under a merged one, in order; empty when `out` is no merged set."""
    return list(_there(out).values())


def _there(out: str) -> dict[int, str]:
    names = filter(str.isdecimal, storage.folders(storage.join(out, "sets")))
    return {int(name): storage.join(out, "sets", name) for name in sorted(names, key=int)}


def _finished(uri: str) -> Job:
    job = commit.read_job(uri)
    if commit.read_manifest(uri) is None:
        raise SpecError(f"{uri}: not finished (no manifest.json); finish it before you merge it")
    return job


def _require_different(sources: Sequence[str], jobs: Sequence[Job]) -> None:
    for (uri, job), (other_uri, other) in combinations(zip(sources, jobs, strict=True), 2):
        if collisions.share_items(uri, job, other_uri, other):
            alike = "seed and labels" if job.briefs_digest is None else "seeds, labels and briefs"
            raise SpecError(
                f"{other_uri}: has the same model, {alike} as {uri} and so the same items; leave "
                "one out, or make it with another seed"
            )


def _require_ours(out: str, jobs: Sequence[Job], finished: Json | None) -> None:
    there = _there(out)
    foreign = first_of_meaning(out)
    if foreign and not there:
        raise SpecError(f"out = {out}: not empty ({foreign}); choose an empty place")
    if len(there) > len(jobs) or any(number >= len(jobs) for number in there):
        raise SpecError(
            f"out = {out}: holds {len(there)} sets, {len(jobs)} requested; choose another out"
        )
    for number, uri in there.items():
        found = commit.find_job(uri)
        if found is not None and found != jobs[number]:
            raise SpecError(f"out = {out}: {uri} is not the set to be merged; choose another out")


def _missing(out: str, sources: Sequence[str]) -> list[Copies]:
    """What is to be copied, as (from, to): jobs first, so that what is there is known to be of the
    same set, and manifests last, so that what looks finished is."""
    never_change = tuple(f"{folder}/" for folder in ("data", *files.folders()))
    stages: dict[str, Copies] = {_FIRST: [], "": [], _LAST: []}
    for number, source in enumerate(sources):
        target = storage.join(out, "sets", f"{number:02d}")
        there = {entry.key: entry.size_bytes for entry in storage.listing(target)}
        for entry in storage.listing(source):
            if entry.key.startswith(never_change) and there.get(entry.key) == entry.size_bytes:
                continue
            stage = stages[entry.key if entry.key in stages else ""]
            stage.append((entry.uri, storage.join(target, entry.key)))
    return list(stages.values())


def _copy_all(stages: Sequence[Copies], report: Report) -> None:
    done, total = 0, sum(map(len, stages))
    for copies in stages:
        with ThreadPoolExecutor(_COPIES) as pool:
            for _ in pool.map(lambda pair: storage.copy(*pair), copies):
                done += 1
                report(done, total)


def _read(out: str) -> Json | None:
    found = commit.read_manifest(out)
    if found is not None and "sets" not in found:
        raise SpecError(f"out = {out}: holds a content set of its own; choose an empty place")
    return found


def _manifest(out: str, sources: Sequence[str], jobs: Sequence[Job]) -> Json:
    labels: Counter[str] = Counter()
    parts = []
    for uri, source, job in zip(merged_sets(out), sources, jobs, strict=True):
        found = commit.read_manifest(uri)
        if found is None:
            raise JobError(f"{uri}: the copy is incomplete; run the same command again")
        labels.update(found["labels"])
        parts.append(
            {
                "folder": uri.removeprefix(f"{out}/"),
                "source": source,
                "model": job.model,
                **({"origin": job.origin.model_dump()} if job.origin else {}),
                "items": found["items"],
                "size_bytes": found["size_bytes"],
                "content_digest": found["content_digest"],
            }
        )
    return {
        "format": 1,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "items": sum(part["items"] for part in parts),
        "size_bytes": sum(part["size_bytes"] for part in parts),
        "labels": dict(sorted(labels.items())),
        "same_labels": len({job.names for job in jobs}) == 1,
        "content_digest": add_digests([part["content_digest"] for part in parts]),
        "sets": parts,
    }
