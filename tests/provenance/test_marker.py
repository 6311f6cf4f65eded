from __future__ import annotations

import dataclasses
import json

import pytest

from aigc.errors import SpecError
from aigc.provenance import reading, tc260
from aigc.provenance.marker import Marker
from aigc.provenance.spec import Provenance
from aigc.provenance.statement import ItemFacts
from tests.provenance.statements import (
    ITEM,
    PICTURES,
    SOUNDS,
    STATEMENT,
    exiftool,
    picture,
    sound,
)


@pytest.mark.parametrize(("codec", "quality"), PICTURES)
def test_exiftool_reads_all_that_is_stated(codec, quality, tmp_path) -> None:
    asked = Provenance(profile="china", provider="ACME-1", prompts=True)
    marked = Marker(asked, STATEMENT).picture(picture(codec, quality), ITEM)
    found = exiftool(tmp_path, f"a.{codec}", marked)
    assert not [name for name in found if "Warning" in name or "Error" in name]
    assert found["XMP-iptcExt:DigitalSourceType"] == STATEMENT.source_type
    assert found["XMP-iptcExt:AISystemUsed"] == "shoes"
    assert str(found["XMP-iptcExt:AISystemVersionUsed"]) == "3"
    assert found["XMP-iptcExt:AIPromptInformation"] == ITEM.prompt
    assert found["XMP-iptcExt:AIPromptWriterName"] == STATEMENT.prompt_writer
    assert found["XMP-dc:Identifier"] == ITEM.id
    assert found["XMP-photoshop:Credit"] == "ACME-1"
    label = next(value for name, value in found.items() if name.lower() == "xmp-tc260:aigc")
    assert tc260.problems(label if isinstance(label, dict) else json.loads(label)) == []


@pytest.mark.parametrize("container", SOUNDS)
def test_sounds_carry_one_label_of_their_own(container) -> None:
    asked = Provenance(profile="china", provider="ACME-1")
    found = reading.read(Marker(asked, STATEMENT).sound(sound(*container), ITEM))
    assert tc260.problems(found.label) == []
    assert found.label["ProduceID"] == ITEM.id


def test_the_default_leaves_prompts_and_labels_out() -> None:
    found = reading.read(Marker(Provenance(), STATEMENT).picture(picture("png"), ITEM))
    assert found.item_id == ITEM.id
    assert found.label == {}
    assert "Iptc4xmpExt:AIPromptInformation" not in found.properties


def test_none_leaves_files_and_pixels_as_they_are() -> None:
    marker = Marker(Provenance(profile="none", reason="internal tests"), STATEMENT)
    assert marker.wording is None
    assert marker.picture(b"any", ITEM) == b"any"
    assert marker.sound(b"any", ITEM) == b"any"


def test_equal_items_give_equal_files() -> None:
    file, asked = picture("png"), Provenance(profile="china", provider="ACME-1")
    one, other = Marker(asked, STATEMENT), Marker(asked, STATEMENT)
    assert one.picture(file, ITEM) == other.picture(file, ITEM)
    assert one.picture(file, ITEM) != one.picture(file, ItemFacts("another"))


@pytest.mark.parametrize(
    ("asked", "changed", "said"),
    [
        (Provenance(profile="china", provider="a b"), {"provider": "a b"}, "provenance.provider"),
        (Provenance(profile="california", provider="a"), {"created": ""}, "time of the job"),
    ],
)
def test_a_statement_that_lacks_what_the_profile_needs(asked, changed, said) -> None:
    with pytest.raises(SpecError, match=said):
        Marker(asked, dataclasses.replace(STATEMENT, **changed)).picture(picture("png"), ITEM)


@pytest.mark.parametrize("container", SOUNDS)
def test_only_a_profile_that_asks_for_a_time_states_one(container) -> None:
    """Otherwise an item would have other bytes in every job."""
    california = Marker(Provenance(profile="california", provider="a"), STATEMENT)
    for file, mark in ((picture("png"), "picture"), (sound(*container), "sound")):
        plain = getattr(Marker(Provenance(), STATEMENT), mark)(file, ITEM)
        dated = getattr(california, mark)(file, ITEM)
        assert STATEMENT.created.encode() not in plain
        assert reading.read(dated).properties["xmp:CreateDate"] == STATEMENT.created


def test_items_without_a_job_bring_their_own_time() -> None:
    asked = Provenance(profile="california", provider="a")
    marker = Marker(asked, dataclasses.replace(STATEMENT, created=""))
    item = ItemFacts("a-1", created="2026-12-01T00:00:00Z")
    found = reading.read(marker.picture(picture("jpeg"), item))
    assert found.properties["xmp:CreateDate"] == item.created
    default = Marker(Provenance(), STATEMENT)
    assert default.picture(picture("png"), item) == default.picture(
        picture("png"), ItemFacts("a-1")
    )
