from __future__ import annotations

import json

import pytest

from aigc.provenance import tc260


def test_the_label_has_the_seven_fields_in_order() -> None:
    found = json.loads(tc260.label("ACME-1", "a-1"))
    assert tuple(found) == tc260.FIELDS
    assert found["Label"] == "1"
    assert found["ContentPropagator"] == found["ContentProducer"] == "ACME-1"
    assert found["PropagateID"] == found["ProduceID"] == "a-1"
    assert tc260.problems(found) == []
    assert tc260.problems(json.loads(tc260.wrapped(tc260.label("ACME-1", "a-1")))) == []


@pytest.mark.parametrize("value", ["", "a b", 'a"b', "a\\b", "演示", "a\n", "\x7f"])
def test_other_characters_are_refused(value) -> None:
    with pytest.raises(ValueError, match="ContentProducer"):
        tc260.label(value, "a-1")
    with pytest.raises(ValueError, match="ProduceID"):
        tc260.label("ACME-1", value)


def test_the_borders_of_the_allowed_characters() -> None:
    allowed = "".join(chr(c) for c in range(0x100) if tc260.is_allowed(chr(c)))
    wanted = [0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F)]
    assert allowed == "".join(map(chr, wanted))


def test_problems_of_a_foreign_label_are_named() -> None:
    found = tc260.problems({"Label": "1", "ContentProducer": "a b", "Extra": "x", "ProduceID": ""})
    assert found == [
        "ProduceID is missing",
        "Extra is not a field",
        "ContentProducer 'a b' has characters that are not allowed",
    ]
    assert tc260.problems({"AIGC": "text"}) == ["AIGC is not an object"]
