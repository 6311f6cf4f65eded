from __future__ import annotations

import numpy as np
import pytest

from aigc.evaluation.classes import class_metrics
from aigc.evaluation.classifier import entropy_bits, fit, shares
from aigc.evaluation.reference import Real

NAMES = ("ant", "bee", "cat")


def clusters(labels: np.ndarray, seed: int) -> np.ndarray:
    centres = np.random.default_rng(9).normal(size=(3, 16)) * 2
    noise = np.random.default_rng(seed).normal(size=(len(labels), 16))
    return (centres[labels] + noise).astype(np.float32)


def real(count: int, seed: int) -> Real:
    labels = np.arange(count) % 3
    return Real(clusters(labels, seed), labels)


def figures(asked: np.ndarray, made: np.ndarray, *, told: bool = True):
    test, train = real(300, 1), real(600, 2)
    classifier = fit(train.features, train.labels, 3)
    return class_metrics(classifier, clusters(made, 3), asked if told else None, test, train, NAMES)


def test_the_classifier_learns_and_is_deterministic() -> None:
    train, test = real(600, 2), real(300, 1)
    first, second = (fit(train.features, train.labels, 3) for _ in range(2))
    assert (first.predict(test.features) == test.labels).mean() > 0.95
    np.testing.assert_array_equal(first.weight.numpy(), second.weight.numpy())


def test_right_labels_agree() -> None:
    labels = np.arange(300) % 3
    found = figures(labels, labels)
    assert found["label_agreement"]["model"] > 0.95
    assert found["modes"] == {"model": 3, "floor": 3}
    assert found["missing"] == []
    assert found["class_entropy_bits"]["model"] == pytest.approx(np.log2(3), abs=0.02)
    assert [row["label"] for row in found["per_class"]] == list(NAMES)
    for row in found["per_class"]:
        assert row["fd"] < 2 * row["fd_floor"]
        assert row["fd_images"] == 100


def test_a_class_that_is_never_made_is_missing() -> None:
    asked = np.arange(300) % 3
    found = figures(asked, np.where(asked == 2, 0, asked))
    assert found["missing"] == ["cat"]
    assert found["modes"]["model"] == 2
    assert found["class_imbalance"]["model"] == pytest.approx(1 / 3, abs=0.03)
    assert found["per_class"][2]["agreement"] < 0.05
    assert found["per_class"][2]["fd"] > 3 * found["per_class"][2]["fd_floor"]


def test_without_labels_agreement_is_left_out() -> None:
    made = np.arange(300) % 3
    found = figures(made, made, told=False)
    assert found["label_agreement"] is None
    assert found["per_class"][0]["agreement"] is None
    assert found["per_class"][0]["fd"] is not None
    assert found["missing"] == []


def test_entropy_and_shares() -> None:
    assert shares(np.array([0, 0, 1, 3]), 4).tolist() == [0.5, 0.25, 0, 0.25]
    assert entropy_bits(np.array([0.25] * 4)) == pytest.approx(2)
    assert entropy_bits(np.array([1.0, 0])) == 0
