"""The items of finished sets, read into an index that `aigc trace` searches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from aigc import storage
from aigc.errors import JobError, SpecError
from aigc.job.plan import Job
from aigc.modalities import MODALITIES
from aigc.modalities.traced import Traced
from aigc.output import commit
from aigc.provenance.looks import COLOURS, WORDS, PerceptualHashes
from aigc.provenance.media_types import media_type
from aigc.provenance.trace import FindMarks
from aigc.provenance.trace_index import IndexedSet
from aigc.provenance.trace_writer import TraceWriter
from aigc.provenance.watermark.protocol import Watermark
from aigc.sets import read
from aigc.sets.merge import merged_sets
from aigc.sets.stored import StoredRows
from aigc.types import Json, Report, silent


def index_sets(outs: Sequence[str], folder: Path, report: Report = silent) -> Json:
    """Index every item of finished sets `outs` in `folder`, which is made.

    Raises:
        SpecError: a set is given twice.
        JobError: a set is not finished or is damaged; no index is left then.
        StorageError: the folder exists or cannot be written.
    """
    parts = [part for out in outs for part in merged_sets(out) or [out]]
    places = [storage.absolute(part) for part in parts]
    if twice := next((place for place in places if places.count(place) > 1), None):
        raise SpecError(f"sets: {twice} is given twice; name each set once")
    jobs = [_finished(part) for part in parts]
    total, done = sum(job.count for job, _ in jobs), 0
    with TraceWriter(folder) as writer:
        for out, (job, manifest) in zip(parts, jobs, strict=True):
            created = str(manifest.get("created", ""))
            writer.begin(
                IndexedSet(out, 0, 0, job.model, job.model_digest, job.data_digest, created)
            )
            for rows in _rows(out, job):
                digests = [hashlib.sha256(file).digest() for file in rows.files]
                writer.add(rows.ids, digests, _looks(out, job, rows))
                done += len(rows.ids)
                report(done, total)
    return {"index": str(folder), "items": done, "sets": len(parts)}


def _finished(out: str) -> tuple[Job, Json]:
    return commit.read_job(out), commit.require_manifest(out)


def _rows(out: str, job: Job) -> Iterator[StoredRows]:
    records = commit.read_records(out)
    commit.require_complete(job, records, out, commit.LOST_RECORD)
    for record in records.values():
        yield from read.rows(out, job, record)


def _looks(out: str, job: Job, rows: StoredRows) -> PerceptualHashes:
    """Of N items, those of one size at a time; of some modalities they tell nothing."""
    kind = MODALITIES[job.modality]
    count = len(rows.ids)
    found = PerceptualHashes(
        np.zeros((count, WORDS), np.uint64),
        np.zeros((count, COLOURS), np.uint8),
        np.zeros(count, np.bool_),
    )
    if kind.traced is None:
        return found
    try:
        items = [rows.item(at, job).values() for at in range(count)]
    except ValueError as error:
        raise JobError(f"{out}: an item near {rows.ids[0]} is damaged: {error}") from None
    shapes = [one.shape for one in items]
    for shape in dict.fromkeys(shapes):
        same = [at for at, other in enumerate(shapes) if other == shape]
        looks = kind.traced.hashes(np.stack([items[at] for at in same]))
        found.bits[same], found.colours[same] = looks.bits, looks.colours
        found.is_telling[same] = looks.is_telling
    return found


def look_at(file: bytes) -> PerceptualHashes | None:
    """What a file of anybody looks like, N = 1; None where no modality finds such files by their
    looks. Raises ValueError, in words, where it cannot be read."""
    kind = media_type(file)
    for modality in MODALITIES.values():
        if modality.traced is not None and kind in modality.traced.media_types:
            try:
                return modality.traced.hash_file(file)
            except ValueError as error:
                noun = modality.source.noun
                raise ValueError(f"the {noun} cannot be looked at: {error}") from None
    return None


def mark_finder(watermarks: Sequence[Watermark]) -> FindMarks:
    """The watermarks of a file of anybody, whatever its modality."""
    finders = [traced.finder(watermarks) for traced in _traced()]
    return lambda file: [found for find in finders for found in find(file)]


def _traced() -> list[Traced]:
    return [kind.traced for kind in MODALITIES.values() if kind.traced is not None]
