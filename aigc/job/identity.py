"""The ids of items, stable over workers and reruns."""

from __future__ import annotations

from aigc.conditions import CONDITIONS
from aigc.job.keys import SampleKeys


def item_ids(model_digest: str, keys: SampleKeys) -> list[str]:
    """Of N samples: model, seed, random counter and conditions."""
    begin = model_digest[:12]
    each = [CONDITIONS[name].marks(values) for name, values in keys.conditions.items()]
    marks = [".".join(row) for row in zip(*each, strict=True)] if each else ["x"] * len(keys)
    rows = zip(keys.seeds.tolist(), keys.counters.tolist(), marks, strict=True)
    return [f"{begin}-{seed}-{at:012d}-{mark}" for seed, at, mark in rows]
