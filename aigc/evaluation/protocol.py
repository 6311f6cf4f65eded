"""How the figures were taken, and what a reader should know before trusting them."""

from __future__ import annotations

from aigc.data.dataset import Dataset
from aigc.evaluation.reference import Counts
from aigc.modalities import MODALITIES
from aigc.modalities.base import Items
from aigc.specs import EvaluateSpec
from aigc.types import Json, Labels

NO_INCEPTION = "not computed, for no --inception-weights were given"


def protocol(
    dataset: Dataset, counts: Counts, spec: EvaluateSpec, extractor: str, inception: str | None
) -> Json:
    """The named split, the counts, the seed and the features behind every figure."""
    kind = MODALITIES[dataset.modality]
    words = {"one": dataset.kind.noun, "several": kind.title}
    words |= {"picture": kind.learning.picture, "level": kind.learning.level}
    return {
        "split": "test",
        "floor": "a random part of the train split against the test split",
        "counts": vars(counts),
        "seed": spec.seed,
        "neighbours": spec.neighbours,
        "extractor": extractor,
        "words": words,
        "inception": inception or NO_INCEPTION,
        "interval": "95 %, over the choice of items on the model's side, test items given",
    }


def notes(items: Items, labels: Labels | None, dataset: Dataset, counts: Counts) -> list[str]:
    """One sentence for everything that was left out or limits a figure."""
    found = []
    kind = MODALITIES[dataset.modality].title
    learning = MODALITIES[dataset.modality].learning
    if learning.learns:
        found.append(
            f"the features are those of a network that learnt to tell the classes of this data's "
            f"{learning.picture}s apart, so figures compare models of this data set alone"
            if len(dataset.labels) > 1
            else f"without classes the features are averages of {learning.picture}s"
        )
    size, stored = items.shape[1:3], dataset.item.shape[:2]
    if size != stored:
        found.append(
            f"samples are {size[1]}×{size[0]}, the data {stored[1]}×{stored[0]}: both were resized "
            "to the extractor's size, so sharpness counts in the figures"
        )
    if len(dataset.labels) < 2:
        found.append("the data has no classes, so class figures are left out")
    elif labels is None:
        found.append("the model takes no labels, so label agreement is left out")
    if counts.train_floor < counts.samples:
        found.append(
            f"the floor is taken over {counts.train_floor:,} train {kind}, fewer than the "
            f"{counts.samples:,} samples, which makes its distance a little high"
        )
    return found
