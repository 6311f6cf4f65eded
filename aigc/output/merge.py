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
from aigc.errors import JobError, SpecError
from aigc.generation.plan import Job
from aigc.output import commit
from aigc.output.schema import add_digests
from aigc.types import Json, Report, silent

_LAST = "manifest.json"
_COPIES = 8


def merge(out: str, sets: Sequence[str], report: Report = silent) -> Json:
    """Copy the finished `sets` below `out`, or finish doing so; returns the manifest of all.

    Raises:
        SpecError: a set is unfinished or there twice, two would hold the same items, or `out` holds
            something else. StorageError.
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
    copies = [
        (entry.uri, storage.join(out, "sets", f"{number:02d}", entry.key))
        for number, uri in enumerate(sources)
        for entry in sorted(storage.listing(uri), key=lambda entry: entry.key == _LAST)
    ]
    _copy_all(copies, report)
    manifest = _manifest(out, sources, jobs)
    storage.write_bytes(commit.manifest_uri(out), json.dumps(manifest, indent=1).encode())
    return manifest


def merged_sets(out: str) -> list[str]:
    """URIs of the sets under a merged one, in order; empty when `out` is no merged set."""
    names = storage.folders(storage.join(out, "sets"))
    return [storage.join(out, "sets", name) for name in names]


def _finished(uri: str) -> Job:
    job = commit.read_job(uri)
    if commit.read_manifest(uri) is None:
        raise SpecError(f"{uri}: not finished (no manifest.json); finish it before it is merged")
    return job


def _require_different(sources: Sequence[str], jobs: Sequence[Job]) -> None:
    for (uri, job), (other_uri, other) in combinations(zip(sources, jobs, strict=True), 2):
        same = (job.model_digest, job.seed, job.briefs_digest)
        if same == (other.model_digest, other.seed, other.briefs_digest):
            raise SpecError(
                f"{other_uri}: has the model, seed and briefs of {uri}, so the same items; leave "
                "one out, or make it with another seed"
            )


def _require_ours(out: str, jobs: Sequence[Job], finished: Json | None) -> None:
    there = merged_sets(out)
    foreign = next(storage.listing(out), None)
    if foreign is not None and not there:
        raise SpecError(f"out = {out}: not empty ({foreign.key}); choose an empty place")
    for uri, job in zip(there, jobs, strict=False):
        found = commit.find_job(uri)
        if found is not None and found != job:
            raise SpecError(f"out = {out}: {uri} is another set than asked; choose another out")
    if len(there) > len(jobs):
        raise SpecError(f"out = {out}: holds {len(there)} sets, {len(jobs)} asked")


def _copy_all(copies: list[tuple[str, str]], report: Report) -> None:
    """Data first and manifests last, so that what looks finished is."""
    first = [pair for pair in copies if not pair[0].endswith(f"/{_LAST}")]
    last = [pair for pair in copies if pair[0].endswith(f"/{_LAST}")]
    done = 0
    for part in (first, last):
        with ThreadPoolExecutor(_COPIES) as pool:
            for _ in pool.map(lambda pair: storage.copy(*pair), part):
                done += 1
                report(done, len(copies))


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
            raise JobError(f"{uri}: its copy is not complete; run the same command again")
        labels.update(found["labels"])
        parts.append(
            {
                "folder": uri.removeprefix(f"{out}/"),
                "source": source,
                "model": job.model,
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
        "content_digest": add_digests([part["content_digest"] for part in parts]),
        "sets": parts,
    }
