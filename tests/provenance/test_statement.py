from __future__ import annotations

from xml.etree import ElementTree

import pytest

from aigc.provenance.statement import MOST_TEXT, bounded


def test_long_text_is_cut_and_says_so() -> None:
    assert bounded("a" * MOST_TEXT) == "a" * MOST_TEXT
    assert bounded("a" * (MOST_TEXT + 1)) == "a" * (MOST_TEXT - 1) + "…"


@pytest.mark.parametrize("text", ["\0", "a\x1fb", "\ufffe", "\ud800", "tab\tline\n", "猫 🐈"])
def test_what_is_left_can_stand_in_xml(text) -> None:
    clean = bounded(text)
    assert ElementTree.fromstring(f"<a>{clean}</a>").text == clean.replace("\r", "\n")
