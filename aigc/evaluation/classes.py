"""What a classifier trained on the same data sees: right labels, balance, missing classes."""

from __future__ import annotations

import numpy as np

from aigc.evaluation.classifier import Classifier, entropy_bits, shares
from aigc.evaluation.frechet import frechet_distance_of_few
from aigc.evaluation.reference import Real
from aigc.modalities.learning import Features
from aigc.types import Json, Labels

PER_CLASS_ITEMS = 500
MISSING_BELOW = 0.1
"""A class made less often than this share of how often it should be counts as missing."""


def class_metrics(
    classifier: Classifier,
    features: Features,
    asked: Labels | None,
    test: Real,
    train: Real,
    names: tuple[str, ...],
) -> Json:
    """Figures over all classes and for each.

    `asked` is the label each row of `features` was asked for; with None (an unconditional model)
    agreement is left out, and the test split's shares are what is expected.
    """
    seen, seen_test = classifier.predict(features), classifier.predict(test.features)
    count = len(names)
    expected = shares(test.labels if asked is None else asked, count)
    made, real = shares(seen, count), shares(seen_test, count)
    missing = [
        names[index] for index in np.flatnonzero(made < MISSING_BELOW * np.minimum(expected, real))
    ]
    accuracy = float((seen_test == test.labels).mean())
    return {
        "classifier_test_accuracy": accuracy,
        "label_agreement": None
        if asked is None
        else _pair(float((seen == asked).mean()), accuracy),
        "class_imbalance": _pair(
            _distance(made, expected), _distance(real, shares(test.labels, count))
        ),
        "class_entropy_bits": _pair(entropy_bits(made), entropy_bits(real)),
        "modes": {"model": count - len(missing), "floor": count},
        "missing": missing,
        "per_class": [
            {
                "label": name,
                "asked": float(expected[index]),
                "predicted": float(made[index]),
                "agreement": None if asked is None else _agreement(seen, asked, index),
                "agreement_floor": _agreement(seen_test, test.labels, index),
                **_class_distance(
                    features[(seen if asked is None else asked) == index],
                    test.features[test.labels == index],
                    train.features[train.labels == index],
                ),
            }
            for index, name in enumerate(names)
        ],
    }


def _class_distance(samples: Features, test: Features, train: Features) -> Json:
    """Fréchet distance of equally many images of one class; None with fewer than ten."""
    count = min(PER_CLASS_ITEMS, len(samples), len(test), len(train))
    if count < 10:
        return {"fd": None, "fd_floor": None, "fd_images": count}
    return {
        "fd": frechet_distance_of_few(samples[:count], test[:count]),
        "fd_floor": frechet_distance_of_few(train[:count], test[:count]),
        "fd_images": count,
    }


def _agreement(seen: Labels, true: Labels, index: int) -> float | None:
    chosen = seen[true == index]
    return float((chosen == index).mean()) if len(chosen) else None


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """Total variation: the share that would have to change class."""
    return float(np.abs(one - other).sum() / 2)


def _pair(model: float, baseline: float) -> Json:
    return {"model": model, "floor": baseline}
