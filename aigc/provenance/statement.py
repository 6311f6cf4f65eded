"""What a file states about its origin, and which characters its fields may hold."""

from __future__ import annotations

import re
from dataclasses import dataclass

TRAINED_ALGORITHMIC_MEDIA = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for content that a trained model created."""
GENERATOR = "aigc"
"""Without its version: an item made again by another version has the same bytes."""
MOST_PROMPT = 2000
"""Characters of a prompt that are kept. With all escapes a packet stays below the 64 KiB of one
JPEG segment."""
MOST_TEXT = 200
"""Characters of any other field that are kept."""
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Statement:
    """The origin of all items of a job. An item adds its id and its prompt."""

    model: str
    """Name of the model, without its version."""
    model_version: str
    model_digest: str
    """Hexadecimal SHA-256, as in the model store."""
    created: str = ""
    """RFC 3339 time in UTC. It is the job's, not the item's, so that an item made again is made
    byte for byte. Metadata hold it where the profile asks for a time, credentials always."""
    provider: str = ""
    """Name or code of the person or company that answers for the content."""
    prompt_writer: str = ""
    data_digest: str = ""
    """Of the training data, as in the model's card."""
    source_type: str = TRAINED_ALGORITHMIC_MEDIA
    generator: str = GENERATOR


@dataclass(frozen=True)
class ItemFacts:
    """The part of a statement that differs from item to item."""

    id: str
    prompt: str = ""
    created: str = ""
    """RFC 3339 time in UTC, of items that are not made by a job."""


def bounded(text: str, most: int = MOST_TEXT) -> str:
    """`text` in characters that XML 1.0 allows (others become U+FFFD), at most `most` of them."""
    clean = _NOT_IN_XML.sub("\ufffd", text)
    return clean if len(clean) <= most else clean[: most - 1] + "…"
