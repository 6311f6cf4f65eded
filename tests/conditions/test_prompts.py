from __future__ import annotations

import pytest

from aigc.conditions.prompts import labels_in

KNOWN = ("T-shirt/top", "Trouser", "Dress", "Ankle boot", "Boot", "Knife", "Berry", "3")


@pytest.mark.parametrize(
    ("prompt", "labels"),
    [
        ("Trouser", ["Trouser"]),
        ("  ankle BOOT ", ["Ankle boot"]),
        ("a photo of trousers, grey", ["Trouser"]),
        ("dresses", ["Dress"]),
        ("two knives and some berries", ["Knife", "Berry"]),
        ("an ankle boot beside a dress", ["Ankle boot", "Dress"]),
        ("boots; ankle boots; boot", ["Boot", "Ankle boot"]),
        ("a T-shirt on white", ["T-shirt/top"]),
        ("tops", ["T-shirt/top"]),
        ("the digit 3", ["3"]),
        ("33 addresses", []),
        ("a red car", []),
        ("", []),
    ],
)
def test_labels_are_found_as_whole_words(prompt: str, labels: list[str]) -> None:
    assert labels_in(prompt, KNOWN) == labels


def test_a_plural_label_has_a_singular() -> None:
    assert labels_in("one sneaker", ("Sneakers", "Glass")) == ["Sneakers"]
    assert labels_in("a glas", ("Sneakers", "Glass")) == []


def test_a_label_beats_the_plural_of_another() -> None:
    assert labels_in("news", ("new", "news")) == ["news"]
    assert labels_in("a top", ("T-shirt/top", "Top")) == ["Top"]


def test_synonyms_name_labels_too() -> None:
    synonyms = {"pants": "Trouser", "running shoe": "Boot"}
    assert labels_in("Pants with running shoes", KNOWN, synonyms) == ["Trouser", "Boot"]
    assert labels_in("pants", KNOWN) == []
