"""Content sets under /v1/sets: their progress and items, also during generation.

Nothing but what the operator named can be reached: callers name a set by an id that stands in our
own list, never by a path, and an item by its number. Everything here may wait for storage, so call
it on a thread of its own.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aigc import storage
from aigc.conditions.labels import find_label
from aigc.errors import AigcError, SpecError, StorageError, listed
from aigc.job.briefs import Briefs
from aigc.job.keys import ATTEMPT, Ints, SampleKeys
from aigc.job.plan import Job, keys_at
from aigc.output import commit
from aigc.service.errors import BadRequestError, NotFoundError
from aigc.service.progress import Progress, progress_of
from aigc.sets import read
from aigc.sets.merge import merged_sets
from aigc.sets.stored import StoredRows
from aigc.types import Json, ShardRecord

FILES = {
    "preview.png": "image/png",
    "report.png": "image/png",
    "report.json": "application/json",
    "manifest.json": "application/json",
    "README.md": "text/markdown; charset=utf-8",
}
"""Files of a set that are served, by name."""

MOST_SETS = 200
_LIST_S = 5.0
_FRESH_S = 1.0
_SHARE = 0.1
"""Largest share of time spent reading one set's progress, however often it is requested."""
_PAGE_BYTES = 16 * 2**20
"""Most bytes of images on one page; a page ends early at this size."""
_SCAN = 2**16
"""Number of items whose labels are computed together."""


@dataclass(frozen=True)
class SetItem:
    """One item of a set. `index` is its place in the set, `candidate` its number among those of
    its seed: what the endpoint calls index."""

    index: int
    id: str
    seed: int
    candidate: int
    label: str | None
    sampling: dict[str, float | None]
    file: bytes | None
    """None if images were not requested."""
    media_type: str


@dataclass(frozen=True)
class _Known:
    progress: Progress
    until: float


class ServedSets:
    """The sets at `roots`: each a set, a merged set, or a folder of them. Safe from any thread."""

    def __init__(self, roots: tuple[str, ...]) -> None:
        self._roots = roots
        self._lock = threading.Lock()
        self._places: dict[str, str] = {}
        self._listed = -_LIST_S
        self._known: dict[str, _Known] = {}

    def all(self) -> list[Json]:
        """Progress of up to `MOST_SETS` sets; for an unreadable one, the reason."""
        return [self._told(name) for name in list(self._sets())[:MOST_SETS]]

    def one(self, name: str) -> Json:
        """Raises NotFoundError, StorageError, JobError."""
        return {"id": name, **self._progress(name).fields}

    def items(
        self, name: str, start: int, count: int, label: str | None, pictures: bool = False
    ) -> tuple[list[SetItem], int | None]:
        """Up to `count` items that are there, from index `start` on, of `label` only if given; and
        the index to go on at, None at the end. Pictures may make it fewer: see `_PAGE_BYTES`.

        Raises:
            NotFoundError: no such set. BadRequestError: the set has not the label.
        """
        progress, out = self._progress(name), self._place(name)
        job, briefs = progress.job, _briefs(out, progress.job)
        wanted = None if label is None else _label(job, label)
        indices: list[int] = []
        for some in _made(progress, start):
            indices += _of_label(job, briefs, some, wanted)[: count - len(indices)].tolist()
            if len(indices) == count:
                break
        found = _page(_read(out, job, briefs, indices, pictures))
        ended = not found or len(found) == len(indices) < count
        return found, None if ended else found[-1].index + 1

    def item(self, name: str, index: int) -> SetItem:
        """One item. Raises NotFoundError if the set does not have it (yet)."""
        progress, out = self._progress(name), self._place(name)
        job = progress.job
        if not 0 <= index < job.count or job.shard_of(index) not in progress.committed:
            raise NotFoundError(f"item {index}: the set has no such item, or not yet")
        return next(_read(out, job, _briefs(out, job), [index], pictures=True))

    def file(self, name: str, file: str) -> bytes:
        """A file of `FILES`. Raises NotFoundError for others, and if it does not exist (yet)."""
        uri = storage.join(self._place(name), file)
        data = storage.read_if_there(uri) if file in FILES else None
        if data is None:
            raise NotFoundError(f"{file[:40]}: the set has no such file, or not yet")
        return data

    def _told(self, name: str) -> Json:
        try:
            return self.one(name)
        except AigcError as error:
            return {"id": name, "state": "unreadable", "reason": str(error)}

    def _place(self, name: str) -> str:
        place = self._sets().get(name)
        if place is None:
            raise NotFoundError(f"set {name[:80]!r} is not shown here", param="id")
        return place

    def _sets(self) -> dict[str, str]:
        with self._lock:
            if time.monotonic() - self._listed > _LIST_S:
                found = [uri for root in self._roots for uri in _below(root)]
                self._places = {_name(uri): uri for uri in dict.fromkeys(found)}
                self._listed = time.monotonic()
            return self._places

    def _progress(self, name: str) -> Progress:
        place, known = self._place(name), self._known.get(name)
        if known is None or known.until < time.monotonic():
            started = time.monotonic()
            progress = progress_of(place, known.progress if known else None)
            took_s = time.monotonic() - started
            known = _Known(progress, started + took_s + max(_FRESH_S, took_s / _SHARE))
            self._known[name] = known
        return known.progress


def _below(root: str) -> Iterator[str]:
    """Sets at `root`, in a merged set there, or in its folders."""
    if storage.exists(commit.job_uri(root)):
        yield root
    elif parts := merged_sets(root):
        yield from parts
    else:
        for folder in storage.folders(root):
            inside = storage.join(root, folder)
            if storage.exists(commit.job_uri(inside)):
                yield inside
            else:
                yield from merged_sets(inside)


def _name(uri: str) -> str:
    """A short id that depends on the set's location and does not reveal it."""
    shown = "".join(c if c.isalnum() else "-" for c in uri.rpartition("/")[2].lower()[:40])
    return f"{shown.strip('-') or 'set'}-{hashlib.sha256(uri.encode()).hexdigest()[:8]}"


def _made(progress: Progress, start: int) -> Iterator[Ints]:
    """Indices from `start` on in committed shards, in order, in blocks of some thousands."""
    job = progress.job
    for number in progress.committed_from(job.shard_of(start) if start < job.count else job.shards):
        shard = job.shard(number)
        for at in range(max(start, shard.start), shard.stop, _SCAN):
            yield np.arange(at, min(at + _SCAN, shard.stop), dtype=np.int64)


def _label(job: Job, name: str) -> int:
    """Index of a label. Raises BadRequestError if the set does not have it."""
    with contextlib.suppress(SpecError):
        return find_label(job.names, name)
    raise BadRequestError(
        f"label: this set has no {name[:60]!r}; it has {listed(job.names) or 'none'}",
        param="label",
    )


def _of_label(job: Job, briefs: Briefs | None, indices: Ints, label: int | None) -> Ints:
    """The `indices` with `label`; an item's label does not depend on the attempt."""
    if label is None:
        return indices
    codes = job.codes(keys_at(job, briefs, indices, np.zeros_like(indices)))
    return indices[:0] if codes is None else indices[codes == label]


def _read(
    out: str, job: Job, briefs: Briefs | None, indices: list[int], pictures: bool
) -> Iterator[SetItem]:
    """Read items in order, some megabytes at a time."""
    wanted: dict[int, set[int]] = {}
    for index in indices:
        wanted.setdefault(job.shard_of(index), set()).add(index)
    for shard, inside in sorted(wanted.items()):
        record = _inside(commit.read_record(out, shard))
        for rows in read.rows(out, job, record, inside, with_files=pictures):
            yield from _items(job, briefs, rows, pictures)


def _page(items: Iterator[SetItem]) -> list[SetItem]:
    """The first of `items`, until their files reach the page size."""
    found, size_bytes = list[SetItem](), 0
    for item in items:
        found.append(item)
        size_bytes += len(item.file or b"")
        if size_bytes >= _PAGE_BYTES:
            break
    return found


def _items(job: Job, briefs: Briefs | None, rows: StoredRows, pictures: bool) -> Iterator[SetItem]:
    keys = keys_at(job, briefs, rows.indices, rows.candidates // ATTEMPT)
    for at, index in enumerate(rows.indices.tolist()):
        file, media_type = _shown(rows, at, job) if pictures else (None, _media_type(rows, at, job))
        yield SetItem(
            index,
            rows.ids[at],
            int(rows.seeds[at]),
            int(rows.candidates[at]),
            None if rows.labels is None else job.names[int(rows.labels[at])],
            _knobs(job, keys, at),
            file,
            media_type,
        )


def _knobs(job: Job, keys: SampleKeys, at: int) -> dict[str, float | None]:
    set_here = {name: float(values[at]) for name, values in keys.sampling.items()}
    return dict.fromkeys(job.sampling) | {
        name: None if math.isnan(value) else value for name, value in set_here.items()
    }


def _shown(rows: StoredRows, at: int, job: Job) -> tuple[bytes, str]:
    return rows.item(at, job).shown()


def _media_type(rows: StoredRows, at: int, job: Job) -> str:
    """What `_shown` gives, without the file."""
    return job.delivery.shown_as(rows.format(at, job).codec)


def _inside(record: ShardRecord) -> ShardRecord:
    """`record`, if its file is in the set's own folder; a forged record may name another."""
    parts = record.file.split("/")
    if parts[0] != "data" or ".." in parts:
        raise StorageError(f"shard {record.shard}: its record names a file outside the set")
    return record


@functools.lru_cache(maxsize=8)
def _briefs(out: str, job: Job) -> Briefs | None:
    return commit.read_briefs(out, job)
