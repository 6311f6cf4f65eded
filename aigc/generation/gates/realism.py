"""How real a picture looks: by the discriminator, or by its place among the training features.

Batches are cut into passes of a fixed size, the last one filled up, so that a score depends neither
on a picture's place nor on its neighbours: whoever is judged with it, the verdict stands.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from aigc.conditions import conditions_of
from aigc.data.dataset import Dataset
from aigc.errors import SpecError
from aigc.evaluation.extractor import extractor_for
from aigc.evaluation.prdc import radii
from aigc.evaluation.reference import real_features
from aigc.evaluation.stages import StageProgress
from aigc.families.protocol import Scores
from aigc.job.keys import Samples
from aigc.modalities.learning import Extractor, Learning
from aigc.types import silent

Realism = npt.NDArray[np.float32]
"""(N,), higher is more real; NaN where an item is not finite."""
Scorer = Callable[[Samples], Realism]

NEIGHBOURS = 3
"""k of the paper's realism score."""
_REFERENCE_ITEMS = 5000
_REFERENCE_SEED = 0
_PASS = 64


class ByModel:
    """The model's own score, given what each sample was asked to be."""

    def __init__(self, model: Scores, learning: Learning) -> None:
        self._model, self._learning = model, learning

    @torch.inference_mode()
    def __call__(self, samples: Samples) -> Realism:
        scores = np.empty(len(samples), np.float32)
        for rows, filled in _passes(len(samples)):
            seen = self._learning.tensors(samples.items[filled])
            asked = {name: values[filled] for name, values in samples.conditions.items()}
            found = self._model.score(seen, conditions_of(asked, len(seen)))
            scores[rows] = found.numpy()[: len(scores[rows])]
        return _marked(scores, samples)


class ByDensity:
    """Kynkäänniemi et al. 2019, eq. 3: the largest ratio, over training images, of the distance
    from one to its k-th neighbour to the distance from it to the picture. 1 and more is inside the
    manifold. As in the paper the half of the training images with the larger radii is left out: in
    sparse regions balls are so large that anything is inside."""

    def __init__(self, dataset: Dataset, device: str) -> None:
        """Raises SpecError when there are too few training items."""
        if dataset.counts.get("train", 0) <= NEIGHBOURS:
            raise SpecError(
                f"gates.realism.data = {dataset.uri}: density needs more than {NEIGHBOURS} "
                f"training {dataset.title}"
            )
        self._extractor = extractor_for(dataset, device)
        known = _reference(dataset, self._extractor)
        self._centre = known.mean(axis=0)
        reference = torch.from_numpy(known - self._centre)
        reach = radii(reference, NEIGHBOURS)
        dense = reach <= reach.median()
        self._reference = reference[dense].to(device)
        self._reach = reach[dense].to(device)

    @torch.inference_mode()
    def __call__(self, samples: Samples) -> Realism:
        scores = np.empty(len(samples), np.float32)
        for rows, filled in _passes(len(samples)):
            features = self._extractor(samples.items[filled]) - self._centre
            scores[rows] = self._realism(torch.from_numpy(features))[: len(scores[rows])]
        return _marked(scores, samples)

    def _realism(self, features: Tensor) -> Realism:
        """float32 (B, D), centred -> (B,)."""
        x = features.to(self._reference.device)
        squared = torch.addmm(self._reference.square().sum(1), x, self._reference.T, alpha=-2)
        distance = (squared + x.square().sum(1, keepdim=True)).clamp_(min=1e-6).sqrt_()
        best: Realism = (self._reach / distance).amax(1).cpu().numpy()
        return best


def _reference(dataset: Dataset, extractor: Extractor) -> npt.NDArray[np.float32]:
    """Features of the same training images everywhere; kept in the data set's cache."""
    count = min(_REFERENCE_ITEMS, dataset.counts["train"])
    stages = StageProgress(silent, count)
    return real_features(dataset, "train", count, _REFERENCE_SEED, extractor, stages).features


def _passes(count: int) -> list[tuple[slice, npt.NDArray[np.int64]]]:
    """Rows of each pass, and the same filled up to a whole one by repeating the last row."""
    whole = np.arange(_PASS)
    return [
        (slice(start, start + _PASS), np.minimum(start + whole, count - 1))
        for start in range(0, count, _PASS)
    ]


def _marked(scores: Realism, samples: Samples) -> Realism:
    scores[~samples.finite] = np.nan
    return scores
