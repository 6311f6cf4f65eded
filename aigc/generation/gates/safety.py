"""Items that a classifier holds to be unsafe."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from aigc.generation.gates import classifiers
from aigc.generation.gates.classifiers import ContentClassifier
from aigc.job.keys import Samples
from aigc.modalities import MODALITIES, Modality
from aigc.specs import SafetyGate

REASON = "unsafe"
Scores = npt.NDArray[np.float32]
"""(N,) from 0 to 1, higher is less safe."""


class SafetyScorer:
    """Scores of samples by the classifier of a gate."""

    def __init__(self, classifier: ContentClassifier) -> None:
        self._classifier = classifier
        self.digest = classifier.digest
        """SHA-256 of the classifier's weights."""

    def __call__(self, samples: Samples) -> Scores:
        return np.array([self._classifier.score(item) for item in samples.items], np.float32)


def scorer_of(gate: SafetyGate, modality: Modality) -> SafetyScorer:
    """One for all models of a process that have the same classifier. Raises SpecError."""
    name = next(name for name, one in MODALITIES.items() if one is modality)
    return _scorer(gate.model_copy(update={"threshold": 0.5, "policy": "refuse"}), name)


@functools.lru_cache(maxsize=4)
def _scorer(gate: SafetyGate, modality: str) -> SafetyScorer:
    return SafetyScorer(classifiers.opened(gate, MODALITIES[modality]))


def unsafe(scores: Scores, gate: SafetyGate) -> npt.NDArray[np.bool_]:
    """bool (N,): those that count as unsafe; what has no score does, too."""
    found: npt.NDArray[np.bool_] = ~(scores < np.float32(gate.threshold))
    return found
