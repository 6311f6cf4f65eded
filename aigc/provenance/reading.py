"""What a file of anybody states about its origin: the fields of its XMP packet and its labels.

Nothing read here proves anything: metadata can be written by all. Only a signature does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from xml.etree import ElementTree

from aigc.provenance import pictures, sounds
from aigc.provenance.xmp import NAMESPACES, RDF

MOST_PACKET_BYTES = 2**20
"""A longer packet is not parsed."""
_NAMES = {address: name for name, address in NAMESPACES.items()}


@dataclass(frozen=True)
class StatedOrigin:
    """`properties` by name, such as `Iptc4xmpExt:DigitalSourceType`; `label` is the object of
    GB 45438-2025, empty where the file has none."""

    properties: dict[str, str] = field(default_factory=dict)
    label: dict[str, str] = field(default_factory=dict)

    @property
    def item_id(self) -> str | None:
        return self.properties.get("dc:identifier")

    @property
    def source_type(self) -> str | None:
        return self.properties.get("Iptc4xmpExt:DigitalSourceType")


def read(file: bytes) -> StatedOrigin:
    """Of a picture or sound file; empty where it states nothing or is damaged."""
    packet = pictures.find(file)
    label = ""
    if packet is None:
        found = sounds.fields(file)
        packet, label = found.get(sounds.XMP_FIELD, "").encode(), found.get("AIGC", "")
    properties = parse(packet)
    return StatedOrigin(properties, _object(label or properties.get("TC260:AIGC", "")))


def parse(packet: bytes) -> dict[str, str]:
    """Simple properties of an XMP packet that the project writes; none of a packet that is not
    well-formed, too long, or has a document type (no XMP packet needs one)."""
    start, end = packet.find(b"<x:xmpmeta"), packet.rfind(b"</x:xmpmeta>")
    inner = packet[start : end + len(b"</x:xmpmeta>")]
    if start < 0 or end < start or len(inner) > MOST_PACKET_BYTES or b"<!" in inner:
        return {}
    try:
        tree = ElementTree.fromstring(inner)
    except ElementTree.ParseError:
        return {}
    found: dict[str, str] = {}
    for described in tree.iter(f"{{{RDF}}}Description"):
        found |= {_named(tag): value for tag, value in described.attrib.items() if _named(tag)}
        found |= {_named(one.tag): one.text or "" for one in described if _named(one.tag)}
    return found


def _named(tag: str) -> str:
    """`prefix:name` of a tag in one of the known namespaces, else nothing."""
    address, _, name = tag.removeprefix("{").partition("}")
    return f"{_NAMES[address]}:{name}" if address in _NAMES else ""


def _object(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    inner = found.get("AIGC", found) if isinstance(found, dict) else {}
    return {str(k): str(v) for k, v in inner.items()} if isinstance(inner, dict) else {}
