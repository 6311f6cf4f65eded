"""The AI-generated label, in the words of the standards that other tools read."""

from __future__ import annotations

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's digital source type "trained algorithmic media" (controlled vocabulary
http://cv.iptc.org/newscodes/digitalsourcetype/)."""

XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    f'Iptc4xmpExt:DigitalSourceType="{DIGITAL_SOURCE_TYPE}"/>'
    "</rdf:RDF></x:xmpmeta>"
).encode()
"""A packet that states it (IPTC Photo Metadata Standard 2023.2, property
Iptc4xmpExt:DigitalSourceType)."""
