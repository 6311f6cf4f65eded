"""Where a file comes from: all evidence that it carries or that an index has, and how sure it is.

Signed origin and the digest of the file are proofs; watermarks, looks and metadata are not.
Metadata can be written by anybody, a watermark by all who have its key, and of two items that look
alike either may be the one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from aigc.provenance import reading
from aigc.provenance.looks import PerceptualHashes
from aigc.provenance.trace_index import IndexedItem, TraceIndex
from aigc.provenance.watermark.protocol import Detection
from aigc.types import Json

if TYPE_CHECKING:
    from aigc.provenance.checking import CredentialCheck, CredentialReader

Kind = Literal["signature", "sha256", "watermark", "perceptual", "metadata"]
Certainty = Literal["proof", "strong", "likely", "claim"]
"""`proof`: a signature under a trusted root, or the very file; `strong` and `likely`: a watermark
or looks; `claim`: the file says so, and so could anybody."""
STRONG_P, LIKELY_P = 1e-6, 1e-4
"""Chance that a picture without a watermark has one as good; above `LIKELY_P` it does not count."""
STRONG_BITS, LIKELY_BITS = 24, 40
"""Of 256: hashes that differ in no more. docs/provenance.md has the error rates."""
MOST_COLOUR = 4.0
"""Root mean squared difference of the colours of 4 x 4 cells (0..255) within which a picture counts
as the same."""


@dataclass(frozen=True)
class Evidence:
    kind: Kind
    certainty: Certainty
    item: str
    set: str | None = None
    """URI of the content set; None where no index knows the item."""
    model: str | None = None
    model_digest: str | None = None
    data_digest: str | None = None
    created: str | None = None
    colours: float | None = None
    """Root mean squared difference of colours, 0..255."""
    bits: int | None = None
    """How many of 256 bits of the perceptual hash differ."""
    method: str | None = None
    """Of the watermark."""
    p_value: float | None = None
    """Chance that a picture without that watermark has one as good."""


@dataclass(frozen=True)
class Trace:
    """`c2pa` is the standing of the credential as OpenAI's provenance checks name it; None where
    the optional packages are not installed."""

    file: str
    evidence: tuple[Evidence, ...]
    c2pa: str | None = None
    problems: tuple[str, ...] = ()
    source_type: str | None = None
    notes: tuple[str, ...] = field(default=())
    issuer: str | None = None
    """Of the certificate that the credential was signed with."""
    signed_at: str | None = None
    """RFC 3339 time that the credential states."""

    @property
    def is_found(self) -> bool:
        return any(one.certainty != "claim" for one in self.evidence)

    def to_json(self) -> Json:
        """With the results of OpenAI's `content_provenance_checks` in it."""
        found = [{k: v for k, v in vars(one).items() if v is not None} for one in self.evidence]
        return {
            "file": self.file,
            "found": self.is_found,
            "evidence": found,
            "content_provenance_checks": self.results(),
            "problems": list(self.problems),
            "digital_source_type": self.source_type,
            "notes": list(self.notes),
        }

    def results(self) -> list[Json]:
        """The `results` of an OpenAI provenance check: none where credentials were not checked.

        `detected` is a credential that a trusted root vouches for and that names one of our items.
        """
        if self.c2pa is None:
            return []
        signed = next((one for one in self.evidence if one.kind == "signature"), None)
        detected = signed is not None and self.c2pa == "trusted"
        return [
            {
                "type": "c2pa",
                "outcome": "detected" if detected else "not_detected",
                "validation_state": self.c2pa,
                "issuer": self.issuer,
                "model": signed.model if signed else None,
                "generated_at": signed.created if signed else None,
            }
        ]


Look = Callable[[bytes], PerceptualHashes | None]
"""What a file looks like, N = 1; None where such files are not found by their looks. Raises
ValueError, in words, where it cannot be read."""


FindMarks = Callable[[bytes], Sequence[Detection]]
"""The watermarks of a file; none of a file that is not a picture."""


def _unseen(file: bytes) -> None:
    return None


def _unmarked(file: bytes) -> Sequence[Detection]:
    return ()


class Tracer:
    """Answers for files, from their own statements and from indexes."""

    def __init__(
        self,
        indexes: Sequence[TraceIndex],
        credentials: CredentialReader | None = None,
        look: Look = _unseen,
        find_marks: FindMarks = _unmarked,
    ) -> None:
        self._indexes, self._credentials = indexes, credentials
        self._look, self._find_marks = look, find_marks

    def trace(self, file: bytes, name: str = "") -> Trace:
        """All evidence on `file`, the surest first."""
        check = self._credentials.check(file) if self._credentials else None
        stated = reading.read(file)
        notes: list[str] = []
        found = [
            *self._signed(file, check, notes),
            *self._same_file(file),
            *self._marked(file, notes),
            *self._alike(file, notes),
            *self._stated(stated.item_id),
        ]
        ranks = {"proof": 0, "strong": 1, "likely": 2, "claim": 3}
        found.sort(key=lambda one: (ranks[one.certainty], one.bits or 0))
        return Trace(
            file=name,
            evidence=tuple(found),
            c2pa=check.standing if check else None,
            problems=check.problems if check else (),
            source_type=stated.source_type,
            notes=tuple(notes),
            issuer=check.issuer if check else None,
            signed_at=check.signed_at if check else None,
        )

    def _signed(
        self, file: bytes, check: CredentialCheck | None, notes: list[str]
    ) -> list[Evidence]:
        """Of sets that share the item's id, the one that has this very file, if one has."""
        if check is None or check.standing not in {"trusted", "valid"}:
            return []
        item = check.origin.get("item")
        if item is None:
            return []
        sure: Certainty = "proof" if check.standing == "trusted" else "claim"
        known = self._known(item)
        if known:
            digest = hashlib.sha256(file).hexdigest()
            known = [one for one in known if one.sha256 == digest] or known
            _note_shared(known, notes)
            return [_evidence("signature", sure, one) for one in known]
        origin = check.origin
        return [
            Evidence(
                "signature",
                sure,
                item,
                model=origin.get("model"),
                model_digest=origin.get("model_digest"),
                data_digest=origin.get("training_data_digest"),
                created=origin.get("created"),
            )
        ]

    def _same_file(self, file: bytes) -> list[Evidence]:
        digest = hashlib.sha256(file).digest()
        found = [one for index in self._indexes for one in index.by_sha256(digest)]
        return [_evidence("sha256", "proof", one) for one in found]

    def _marked(self, file: bytes, notes: list[str]) -> list[Evidence]:
        """A watermark of an item that no index knows is noted: somebody with this key made it."""
        found: list[Evidence] = []
        for mark in self._find_marks(file):
            if mark.payload is None or mark.p_value > LIKELY_P:
                continue
            items = [one for index in self._indexes for one in index.by_watermark(mark.payload)]
            sure: Certainty = "strong" if mark.p_value <= STRONG_P else "likely"
            _note_shared(items, notes)
            for item in items:
                known = _evidence("watermark", sure, item)
                found.append(replace(known, method=mark.method, p_value=mark.p_value))
            if not items:
                held = f"{mark.method} watermark {mark.payload.hex()}, p = {mark.p_value:.1g}"
                notes.append(f"{held}, of an item that no index knows")
        return found

    def _alike(self, file: bytes, notes: list[str]) -> list[Evidence]:
        if not self._indexes:
            return []
        try:
            looks = self._look(file)
        except ValueError as error:
            notes.append(str(error))
            return []
        if looks is None:
            return []
        if not looks.is_telling[0]:
            notes.append("the picture shows too little to be found by its looks")
            return []
        near = [
            one for index in self._indexes for one in index.alike(looks, LIKELY_BITS, MOST_COLOUR)
        ]
        return [
            _evidence(
                "perceptual", "strong" if (one.distance or 0) <= STRONG_BITS else "likely", one
            )
            for one in near
        ]

    def _stated(self, item: str | None) -> list[Evidence]:
        if item is None:
            return []
        known = self._known(item)
        return [_evidence("metadata", "claim", one) for one in known] or [
            Evidence("metadata", "claim", item)
        ]

    def _known(self, item: str) -> list[IndexedItem]:
        return [one for index in self._indexes for one in index.by_id(item)]


def _note_shared(items: Sequence[IndexedItem], notes: list[str]) -> None:
    """Items of one model, seed and index have one id, also in different sets."""
    by_id: dict[str, list[str]] = {}
    for one in items:
        by_id.setdefault(one.id, []).append(one.of.uri)
    for id, sets in by_id.items():
        said = f"{len(sets)} sets have item {id}; it cannot be told which of them this is from"
        if len(sets) > 1 and said not in notes:
            notes.append(said)


def _evidence(kind: Kind, certainty: Certainty, item: IndexedItem) -> Evidence:
    of = item.of
    return Evidence(
        kind,
        certainty,
        item.id,
        of.uri,
        of.model,
        of.model_digest,
        of.data_digest or None,
        of.created or None,
        item.colour_distance,
        item.distance,
    )
