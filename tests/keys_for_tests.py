"""Sample keys by label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from aigc.job.keys import Ints, SampleKeys, keys_of


def keys(
    counters: Sequence[int] | Ints,
    labels: Ints | None = None,
    seed: int = 0,
    truncation: float | None = None,
) -> SampleKeys:
    conditions = {} if labels is None else {"label": labels}
    numbers = np.asarray(counters, dtype=np.int64)
    return keys_of(seed, numbers, conditions, {"truncation": truncation})


def labels_of(found: SampleKeys) -> Ints | None:
    return found.conditions.get("label")


def cuts_of(found: SampleKeys) -> npt.NDArray[np.float64]:
    """(N,) truncations, infinite where latents are not cut."""
    cut = found.sampling.get("truncation", np.full(len(found), np.nan))
    return np.where(np.isnan(cut), np.inf, cut)
