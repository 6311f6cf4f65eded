"""The ids of items, stable over workers and reruns."""

from __future__ import annotations

import hashlib

import numpy as np

from aigc.conditions import CONDITIONS
from aigc.job.briefs import Briefs
from aigc.job.keys import Ints, SampleKeys


def item_ids(model_digest: str, keys: SampleKeys) -> list[str]:
    """Of N samples: model, seed, random counter and conditions."""
    begin = model_digest[:12]
    each = [CONDITIONS[name].marks(values) for name, values in keys.conditions.items()]
    marks = [".".join(row) for row in zip(*each, strict=True)] if each else ["x"] * len(keys)
    rows = zip(keys.seeds.tolist(), keys.counters.tolist(), marks, strict=True)
    return [f"{begin}-{seed}-{at:012d}-{mark}" for seed, at, mark in rows]


def with_marks(ids: list[str], briefs: Briefs, indices: Ints) -> list[str]:
    """Each with `-` and sixteen digits of its brief_id's SHA-256."""
    rows, which = np.unique(briefs.rows(indices), return_inverse=True)
    names = briefs.table["brief_id"].take(rows).to_pylist()
    marks = ["-" + hashlib.sha256(name.encode()).hexdigest()[:16] for name in names]
    return [name + marks[at] for name, at in zip(ids, which.tolist(), strict=True)]
