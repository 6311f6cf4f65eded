"""The label that aigc 0.1.0 wrote, for sets that were begun with it: they go on in its bytes.

It states IPTC's digital source type alone (Photo Metadata Standard 2023.2) and stands in a JPEG
before the segments of JFIF. 0.1.0 made pictures only.
"""

from __future__ import annotations

from aigc.provenance import pictures
from aigc.provenance.profiles import Wording
from aigc.provenance.statement import TRAINED_ALGORITHMIC_MEDIA, ItemFacts

XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    f'Iptc4xmpExt:DigitalSourceType="{TRAINED_ALGORITHMIC_MEDIA}"/>'
    "</rdf:RDF></x:xmpmeta>"
).encode()
_JPEG = b"\xff\xd8"


class EarlierMarker:
    """Marks as 0.1.0 did, with `embed_provenance` true or false."""

    wording: Wording | None = None

    def __init__(self, is_on: bool) -> None:
        self._is_on = is_on

    def picture(self, file: bytes, item: ItemFacts) -> bytes:
        if not self._is_on:
            return file
        if file.startswith(_JPEG):
            return pictures.in_jpeg(file, XMP, len(_JPEG))
        return pictures.embed(file, XMP)

    def sound(self, file: bytes, item: ItemFacts) -> bytes:
        return file

    def facts(self, item: ItemFacts) -> ItemFacts:
        return ItemFacts(item.id)
