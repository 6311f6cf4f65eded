from __future__ import annotations

import pytest

from aigc.provenance import reading
from aigc.provenance.marker import Marker
from aigc.provenance.reading import StatedOrigin
from aigc.provenance.spec import Provenance
from tests.provenance.statements import ITEM, SOUNDS, STATEMENT, picture, sound


def test_the_origin_of_a_picture() -> None:
    marker = Marker(Provenance(profile="china", provider="ACME-1"), STATEMENT)
    found = reading.read(marker.picture(picture("jpeg"), ITEM))
    assert found.item_id == ITEM.id
    assert found.source_type == STATEMENT.source_type
    assert found.label["ProduceID"] == ITEM.id


@pytest.mark.parametrize("container", SOUNDS)
def test_the_origin_of_a_sound(container) -> None:
    marker = Marker(Provenance(profile="china", provider="ACME-1"), STATEMENT)
    found = reading.read(marker.sound(sound(*container), ITEM))
    assert found.item_id == ITEM.id
    assert found.label["ContentProducer"] == "ACME-1"
    assert "TC260:AIGC" not in found.properties, "one label a file"


@pytest.mark.parametrize("file", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"text"])
def test_files_that_state_nothing(file) -> None:
    assert reading.read(file) == StatedOrigin()


def test_packets_with_a_document_type_are_not_parsed() -> None:
    bomb = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><!DOCTYPE a [<!ENTITY b "c">]>&b;</x:xmpmeta>'
    assert reading.parse(bomb) == {}
    assert reading.parse(b"<x:xmpmeta>" + b" " * reading.MOST_PACKET_BYTES + b"</x:xmpmeta>") == {}


def test_labels_that_are_not_objects_are_passed_over() -> None:
    for text in ("", "[]", "{", '"x"', '{"AIGC": 3}'):
        assert reading._object(text) == {}
