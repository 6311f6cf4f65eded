"""Items that were made and accepted, before they become files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from aigc.job.keys import Ints, SampleKeys
from aigc.modalities.base import Items


@dataclass
class GeneratedBatch:
    """N accepted items: `indices` and the number (N,) of the attempt each was accepted in, their
    sample keys, the `items` (N, *shape) as the model makes them, the scores of gates float32 (N,)
    by name, and why others were refused."""

    indices: Ints
    attempts: Ints
    keys: SampleKeys
    items: Items
    scores: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    def __getitem__(self, rows: slice) -> GeneratedBatch:
        """Some of the items; what was refused on the way stays with the first."""
        scores = {name: values[rows] for name, values in self.scores.items()}
        refused = Counter() if rows.start else self.refused
        parts = self.indices[rows], self.attempts[rows], self.keys[rows], self.items[rows]
        return GeneratedBatch(*parts, scores, refused)
