"""XMP packets (ISO 16684-1) that state an item's origin.

IPTC Photo Metadata Standard 2025.1 (TechReference of 2025-11-03) gives DigitalSourceType,
AISystemUsed, AISystemVersionUsed, AIPromptInformation and AIPromptWriterName in the namespace of
Iptc4xmpExt. The item's id is dc:identifier, the provider photoshop:Credit (IPTC's credit line), the
program xmp:CreatorTool; digests of model and training data have a namespace of their own. The label
of GB 45438-2025 is the property TC260:AIGC.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from xml.sax.saxutils import escape

from aigc.provenance import tc260
from aigc.provenance.statement import MOST_PROMPT, ItemFacts, Statement, bounded

NAMESPACES = {
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "aigc": "urn:aigc:provenance:1.0#",
    "TC260": tc260.NAMESPACE,
}
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
_END = '<?xpacket end="w"?>'
_QUOTES = {'"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}


class Packets:
    """Packets of one job: what all items share is written once."""

    def __init__(self, statement: Statement, *, with_tc260: bool) -> None:
        """Raises ValueError where the provider's name cannot stand in the label of GB 45438."""
        self._provider = statement.provider if with_tc260 else None
        if with_tc260:
            tc260.label(statement.provider, "id")
        self._declared = {*_prefixes(_shared(statement)), *(("TC260",) if with_tc260 else ())}
        shared = _attributes(_shared(statement))
        self.head = (
            f'{_BEGIN}<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'
            f'<rdf:Description rdf:about=""{_declarations(self._declared | {"dc"})}{shared}'
            ' dc:identifier="'
        ).encode()
        """What packets of all items begin with."""
        self._between_ids = self._rest(ItemFacts(_ANY_ID)).split(_ANY_ID.encode())

    def packet(self, item: ItemFacts) -> bytes:
        """UTF-8, below 64 KiB."""
        return self.head + self.rest(item)

    def rest(self, item: ItemFacts) -> bytes:
        """What follows `head`."""
        if not (item.prompt or item.created) and _PLAIN(item.id):
            return item.id.encode().join(self._between_ids)
        return self._rest(item)

    def _rest(self, item: ItemFacts) -> bytes:
        own = []
        if item.prompt:
            own.append(("Iptc4xmpExt:AIPromptInformation", bounded(item.prompt, MOST_PROMPT)))
        if item.created:
            own.append(("xmp:CreateDate", bounded(item.created)))
        name = escape(bounded(item.id), _QUOTES)
        new = _declarations({*_prefixes(own)} - self._declared)
        return f'{name}"{new}{_attributes(own)}{self._label(item)}{_CLOSE}'.encode()

    def _label(self, item: ItemFacts) -> str:
        if self._provider is None:
            return "/>"
        text = escape(tc260.label(self._provider, item.id))
        return f"><TC260:AIGC>{text}</TC260:AIGC></rdf:Description>"


_PLAIN = re.compile(r"[\w.-]{1,200}", re.ASCII).fullmatch
"""Ids that need no escape."""
_ANY_ID = f"an-id-that-is-replaced-{'0' * 64}"
_CLOSE = f"</rdf:RDF></x:xmpmeta>{_END}"


def _shared(statement: Statement) -> list[tuple[str, str]]:
    stated = [
        ("Iptc4xmpExt:DigitalSourceType", statement.source_type),
        ("Iptc4xmpExt:AISystemUsed", statement.model),
        ("Iptc4xmpExt:AISystemVersionUsed", statement.model_version),
        ("Iptc4xmpExt:AIPromptWriterName", statement.prompt_writer),
        ("xmp:CreatorTool", statement.generator),
        ("xmp:CreateDate", statement.created),
        ("photoshop:Credit", statement.provider),
        ("aigc:ModelDigest", statement.model_digest),
        ("aigc:TrainingDataDigest", statement.data_digest),
    ]
    return [(name, bounded(value)) for name, value in stated if value]


def _attributes(values: Sequence[tuple[str, str]]) -> str:
    return "".join(f' {name}="{escape(value, _QUOTES)}"' for name, value in values)


def _prefixes(values: Sequence[tuple[str, str]]) -> list[str]:
    return [name.partition(":")[0] for name, _ in values]


def _declarations(prefixes: Collection[str]) -> str:
    names = [name for name in NAMESPACES if name in prefixes]
    return "".join(f' xmlns:{name}="{NAMESPACES[name]}"' for name in names)
