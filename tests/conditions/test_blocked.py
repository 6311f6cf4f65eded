from __future__ import annotations

import pytest

from aigc.conditions.blocked import BlockList

WORDS = ("blood", "Naked man", "knife", "血腥", "Straße")


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("a red cat", None),
        ("BLOOD on snow", "blood"),
        ("bloods", "blood"),
        ("bloody mary", None),
        ("bloodhound", None),
        ("two naked  men", None),
        ("a naked\nman", "Naked man"),
        ("naked mans", "Naked man"),
        ("knives", "knife"),
        ("ｂｌｏｏｄ", "blood"),
        ("b\u00adlood", "blood"),
        ("一张血腥的图片", "血腥"),
        ("eine STRASSE", "Straße"),
        ("", None),
    ],
)
def test_words_of_prompts(prompt: str, found: str | None) -> None:
    assert BlockList(words=WORDS).word_in(prompt) == found


def test_labels_in_any_case_and_spelling() -> None:
    found = BlockList(labels=("Pistol", "Café"))
    assert found.label_of(["mug", "pistol"]) == "pistol"
    assert found.label_of(["cafe\u0301"]) == "cafe\u0301"
    assert found.label_of(["mug"]) is None
    assert found.allowed(["mug", "PISTOL", "vase"]) == ("mug", "vase")


def test_an_empty_list_blocks_nothing() -> None:
    assert not BlockList()
    assert BlockList().word_in("anything") is None
    assert BlockList().label_of(["anything"]) is None
