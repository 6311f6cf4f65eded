from __future__ import annotations

import dataclasses
from xml.etree import ElementTree

import pytest

from aigc.provenance.reading import parse
from aigc.provenance.statement import MOST_PROMPT, MOST_TEXT, ItemFacts
from aigc.provenance.xmp import Packets
from tests.provenance.statements import ITEM, STATEMENT


@pytest.mark.parametrize("with_tc260", [True, False])
def test_a_packet_states_every_field(with_tc260) -> None:
    found = parse(Packets(STATEMENT, with_tc260=with_tc260).packet(ITEM))
    label = found.pop("TC260:AIGC", None)
    assert (label is not None) == with_tc260
    assert found == {
        "Iptc4xmpExt:DigitalSourceType": STATEMENT.source_type,
        "Iptc4xmpExt:AISystemUsed": "shoes",
        "Iptc4xmpExt:AISystemVersionUsed": "3",
        "Iptc4xmpExt:AIPromptInformation": ITEM.prompt,
        "Iptc4xmpExt:AIPromptWriterName": STATEMENT.prompt_writer,
        "xmp:CreatorTool": STATEMENT.generator,
        "xmp:CreateDate": STATEMENT.created,
        "photoshop:Credit": "ACME-1",
        "aigc:ModelDigest": "ab" * 32,
        "aigc:TrainingDataDigest": "cd" * 32,
        "dc:identifier": ITEM.id,
    }


def test_absent_facts_are_left_out() -> None:
    bare = dataclasses.replace(STATEMENT, provider="", prompt_writer="", data_digest="", created="")
    found = parse(Packets(bare, with_tc260=False).packet(ItemFacts("a-1")))
    assert set(found) == {
        "Iptc4xmpExt:DigitalSourceType",
        "Iptc4xmpExt:AISystemUsed",
        "Iptc4xmpExt:AISystemVersionUsed",
        "xmp:CreatorTool",
        "aigc:ModelDigest",
        "dc:identifier",
    }


def test_the_longest_packet_fits_one_jpeg_segment() -> None:
    worst = "\U0001f600" * 5000, '"' * 5000
    for text in worst:
        long = dataclasses.replace(STATEMENT, model=text, prompt_writer=text, model_digest=text)
        packet = Packets(long, with_tc260=True).packet(ItemFacts("a" * MOST_TEXT, text))
        ElementTree.fromstring(packet.decode().split("?>", 1)[1].rsplit("<?", 1)[0])
        assert len(packet) < 2**16 - 40
        assert len(parse(packet)["Iptc4xmpExt:AIPromptInformation"]) == MOST_PROMPT


def test_a_name_with_markup_does_not_leave_its_field() -> None:
    sly = dataclasses.replace(STATEMENT, model='x"/><evil a="', prompt_writer="</rdf:RDF>&amp;")
    found = parse(Packets(sly, with_tc260=True).packet(ItemFacts("a<b>&'c", "]]><!--")))
    assert found["Iptc4xmpExt:AISystemUsed"] == sly.model
    assert found["Iptc4xmpExt:AIPromptWriterName"] == sly.prompt_writer
    assert found["Iptc4xmpExt:AIPromptInformation"] == "]]><!--"
    assert '"ProduceID":"a<b>&\'c"' in found["TC260:AIGC"]


def test_a_provider_that_the_label_cannot_hold_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="ContentProducer '演示'"):
        Packets(dataclasses.replace(STATEMENT, provider="演示"), with_tc260=True)


@pytest.mark.parametrize("with_tc260", [False, True])
def test_ids_without_escapes_take_a_shorter_way_to_the_same_bytes(with_tc260) -> None:
    packets = Packets(STATEMENT, with_tc260=with_tc260)
    for name in ("a", "ab12-7-000000000001-2", "x" * 200, "A_b.c-"):
        item = ItemFacts(name)
        assert packets.packet(item) == packets.head + packets._rest(item)
