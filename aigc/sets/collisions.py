"""Whether two sets can hold items of the same id: of one model, seed, counter, label and brief."""

from __future__ import annotations

from math import lcm

import numpy as np

from aigc.conditions import CONDITIONS
from aigc.job.briefs import Briefs
from aigc.job.plan import Job
from aigc.output import commit
from aigc.types import Labels

_COUNTERS_AT_ONCE = 2**20
"""Compared at a time."""

Run = tuple[Labels, int, int]
"""Counters: the labels they repeat, none if unconditional, the first one, and the one after the
last."""


def share_items(uri: str, job: Job, other_uri: str, other: Job) -> bool:
    """With gates that make further attempts this goes by the counters of first attempts."""
    if job.model_digest != other.model_digest:
        return False
    briefs, others = commit.read_briefs(uri, job), commit.read_briefs(other_uri, other)
    if briefs is None and others is None:
        return job.seed == other.seed and _meet(_run(job), _run(other))
    if briefs is None or others is None:  # ids of one kind end in a brief, those of the other not
        return False
    runs, other_runs = _runs(briefs), _runs(others)
    return any(_meet(runs[key], other_runs[key]) for key in runs.keys() & other_runs.keys())


def _run(job: Job) -> Run:
    return job.pattern, 0, job.count


def _runs(briefs: Briefs) -> dict[tuple[str, int], Run]:
    names = ("brief_id", "seed", "label_pattern", "first_index", "count")
    rows = zip(*(briefs.table[name].to_pylist() for name in names), strict=True)
    none = np.empty(0, np.int64)
    codes = [CONDITIONS[briefs.condition].codes(pattern) for pattern in briefs.patterns]
    return {
        (brief, seed): (codes[at] if codes else none, first, first + count)
        for brief, seed, at, first, count in rows
    }


def _meet(run: Run, other: Run) -> bool:
    """Whether some counter has the same label in both."""
    (pattern, first, last), (others, other_first, other_last) = run, other
    begin, end = max(first, other_first), min(last, other_last)
    if begin >= end or not len(pattern):
        return begin < end
    if not np.isin(pattern, others).any():
        return False
    stop = min(end, begin + lcm(len(pattern), len(others)))
    for start in range(begin, stop, _COUNTERS_AT_ONCE):
        counters = np.arange(start, min(start + _COUNTERS_AT_ONCE, stop))
        if (pattern[counters % len(pattern)] == others[counters % len(others)]).any():
            return True
    return False
