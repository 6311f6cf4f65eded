"""The profiles of `provenance`: what each writes, and what the rule behind it asks for.

`ASKS` is a reading of the rules on the day it names, not legal advice. docs/provenance.md shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aigc.provenance.spec import Corner, ProfileName, Provenance, VisibleLabel

READ_ON = "2026-11-29"
"""When the rules were read. Most of them through secondary sources, as the page says."""

Met = Literal["yes", "with credentials", "with watermark", "no", "yours"]
"""`yours`: only the person or company that publishes can meet it."""


@dataclass(frozen=True)
class Profile:
    label: bool
    """Whether files carry the label of GB 45438-2025."""
    visible: bool
    """Whether a label is drawn unless the spec says otherwise."""
    credentials: bool
    """Whether the rule asks for signed statements."""
    dated: bool = False
    """Whether metadata state when the content was made. Otherwise the same item has the same bytes
    in every job."""
    words: str = "AI-generated"
    corner: Corner = "bottom right"


@dataclass(frozen=True)
class Wording:
    """The words of a visible label, where they stand, and how high a capital letter is at least, as
    a share of the shorter side."""

    text: str
    corner: Corner
    height: float = 0.05


@dataclass(frozen=True)
class Ask:
    """One demand of a rule, whether files of the profile meet it, and where."""

    demand: str
    met: Met
    where: str


PROFILES: dict[ProfileName, Profile] = {
    "default": Profile(label=False, visible=False, credentials=False),
    "eu": Profile(label=False, visible=False, credentials=True),
    "china": Profile(label=True, visible=True, credentials=False, words="AI生成"),
    "california": Profile(label=False, visible=False, credentials=False, dated=True),
    "none": Profile(label=False, visible=False, credentials=False),
}

_IPTC = Ask(
    "digital source type, system and version (IPTC Photo Metadata 2025.1)",
    "yes",
    "XMP Iptc4xmpExt:DigitalSourceType, AISystemUsed, AISystemVersionUsed",
)
_WATERMARK = "images of 128 pixels or more; see Watermark for what it survives"
_SIGNED = "C2PA manifest, when `credentials` are given"

ASKS: dict[ProfileName, tuple[Ask, ...]] = {
    "default": (_IPTC,),
    "eu": (
        Ask("machine-readable mark in each file (AI Act, Article 50(2))", "yes", "XMP"),
        Ask("signed metadata (Code of Practice, 1.1.1)", "with credentials", _SIGNED),
        Ask("time stamp (Code of Practice, 1.1.1)", "with credentials", "`credentials.authority`"),
        Ask("imperceptible watermark (Code of Practice, 1.1.2)", "with watermark", _WATERMARK),
        Ask("a detector that others can use", "yours", "`POST /v1/verify`, where you serve it"),
        Ask("label that people see on deep fakes (Article 50(4))", "yours", "`visible` draws one"),
    ),
    "china": (
        Ask("implicit label in the metadata (GB 45438-2025, annex E)", "yes", "TC260:AIGC"),
        Ask("visible label with AI and 生成, at least 5 % high", "yes", "`visible`, images only"),
        Ask("audible label in sound", "no", "not implemented"),
        Ask("code of the provider (TC260 guide on codes)", "yours", "`provider`"),
    ),
    "california": (
        Ask("latent: name of the provider", "yes", "XMP photoshop:Credit"),
        Ask("latent: name and version of the system", "yes", "XMP AISystemUsed, ...VersionUsed"),
        Ask("latent: time and date", "yes", "XMP xmp:CreateDate, the job's or the request's time"),
        Ask("latent: unique identifier", "yes", "XMP dc:identifier"),
        Ask(
            "latent: permanent or extraordinarily difficult to remove",
            "with watermark",
            _WATERMARK,
        ),
        Ask("manifest: a visible label if the user wants it", "yes", "`visible: true`"),
        Ask("free public detection tool", "yours", "`POST /v1/verify`, where you serve it"),
    ),
    "none": (),
}
"""For SB 942 as amended by AB 853, the demands of section 22757.3."""

RULES: dict[ProfileName, str] = {
    "default": "IPTC Photo Metadata Standard 2025.1, released 2025-11-03",
    "eu": "EU AI Act, Article 50, applies since 2026-08-02 (earlier systems: from 2026-12-02); "
    "Code of Practice of 2026-06-10, voluntary",
    "china": "GB 45438-2025 and the labelling measures, in force since 2025-09-01",
    "california": "California SB 942 as amended by AB 853, operative since 2026-08-02",
    "none": "no rule: files state nothing",
}
"""What stands behind each profile, and from when on."""


def wording_of(asked: Provenance) -> Wording | None:
    """The visible label of a spec, None where none is drawn."""
    profile, given = PROFILES[asked.profile], asked.visible
    if given is None:
        given = profile.visible
    if given is False:
        return None
    label = VisibleLabel() if given is True else given
    return Wording(label.text or profile.words, label.corner or profile.corner, label.height)
