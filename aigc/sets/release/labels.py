"""What the files of a set state about their origin: as the job asked, and as files were read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aigc.job.plan import Job
from aigc.provenance import reading
from aigc.provenance.profiles import ASKS, RULES, Ask
from aigc.provenance.roots import reader_of
from aigc.provenance.spec import Provenance
from aigc.provenance.trace import LIKELY_P, FindMarks
from aigc.provenance.watermark import open_watermark
from aigc.provenance.watermark.keys import key_from
from aigc.sets import read
from aigc.sets.tracing import mark_finder
from aigc.types import ShardRecord

if TYPE_CHECKING:
    from aigc.provenance.checking import CredentialReader

CHECKED = 64
"""Files that are read, spread evenly over the set."""


@dataclass(frozen=True)
class LabelsFound:
    """Of `files` that were read, how many carry what."""

    files: int
    counts: Mapping[str, int]
    credentials: Mapping[str, int]
    """By standing; empty where the packages that check them are not installed."""
    time_stamped: int = 0

    @property
    def labelled(self) -> int:
        return self.counts[SOURCE_TYPE]

    def of(self, statement: str) -> int | None:
        """How many files carry it; None where that was not checked."""
        if statement not in (CREDENTIAL, TIME_STAMP):
            return self.counts.get(statement, 0)
        if not self.credentials:
            return None
        if statement == TIME_STAMP:
            return self.time_stamped
        return self.credentials.get("trusted", 0) + self.credentials.get("valid", 0)


SOURCE_TYPE = "IPTC digital source type"
_PROPERTIES = {
    SOURCE_TYPE: "Iptc4xmpExt:DigitalSourceType",
    "AI system": "Iptc4xmpExt:AISystemUsed",
    "AI system version": "Iptc4xmpExt:AISystemVersionUsed",
    "item id": "dc:identifier",
    "time": "xmp:CreateDate",
    "provider": "photoshop:Credit",
}
_LABEL = "label of GB 45438-2025"
CREDENTIAL, TIME_STAMP = "valid Content Credential", "time stamp"
WATERMARK = "watermark"
_PLACES = (
    ("XMP", SOURCE_TYPE),
    ("DigitalSourceType", SOURCE_TYPE),
    ("AISystemUsed", "AI system"),
    ("VersionUsed", "AI system version"),
    ("dc:identifier", "item id"),
    ("xmp:CreateDate", "time"),
    ("photoshop:Credit", "provider"),
    ("TC260:AIGC", _LABEL),
    ("C2PA manifest", CREDENTIAL),
    ("credentials.authority", TIME_STAMP),
    ("see Watermark", WATERMARK),
)
"""Words of `Ask.where`, and the statement that files must carry then."""


@dataclass(frozen=True)
class AskedFor:
    """One demand of a rule and whether this set meets it."""

    ask: Ask
    standing: str
    """`yes`, `no`, `yours`, `not checked` or `not asked`: the set has another profile."""
    files: int | None = None
    """Of those that were read, how many carry all that the demand needs."""


@dataclass(frozen=True)
class RuleStanding:
    """One profile: its rule and date, and each demand."""

    profile: str
    rule: str
    is_own: bool
    demands: tuple[AskedFor, ...]

    @property
    def met(self) -> int:
        return sum(one.standing == "yes" for one in self.demands)


def provenance_of(job: Job) -> Provenance | None:
    """What the job asked to be stated; None where files state nothing of their origin."""
    return None if job.embed_provenance is False else job.provenance


def find_labels(
    out: str, job: Job, records: Mapping[int, ShardRecord], roots: Sequence[str] = ()
) -> LabelsFound:
    """Of some files of the set, read as anybody would.

    Raises:
        CredentialsError: `roots` (PEM files) were named and cannot be used. StorageError, JobError.
        SpecError: the key of the watermark is not one.
    """
    checker, finds = reader_of(roots), _finds_marks(job)
    step = max(1, job.count // CHECKED)
    indices = range(0, job.count, step)[:CHECKED]
    files = (read.stored(out, job, records, [at])[at].file for at in indices)
    return _count(files, checker, finds)


def _finds_marks(job: Job) -> FindMarks | None:
    """None where the job asked for no watermark."""
    asked = provenance_of(job)
    if asked is None or asked.watermark is None:
        return None
    return mark_finder([open_watermark(asked.watermark, key_from())])


def _count(
    files: Iterable[bytes], checker: CredentialReader | None, finds: FindMarks | None = None
) -> LabelsFound:
    counts: Counter[str] = Counter(dict.fromkeys((*_PROPERTIES, _LABEL), 0))
    if finds is not None:
        counts[WATERMARK] = 0
    standings: Counter[str] = Counter()
    read_files = stamped = 0
    for file in files:
        read_files += 1
        stated = reading.read(file)
        counts.update(name for name, key in _PROPERTIES.items() if stated.properties.get(key))
        counts[_LABEL] += bool(stated.label)
        if finds is not None:
            counts[WATERMARK] += any(
                mark.payload is not None and mark.p_value <= LIKELY_P for mark in finds(file)
            )
        if checker is not None:
            found = checker.check(file)
            standings[found.standing] += 1
            stamped += found.is_time_stamped
    return LabelsFound(read_files, dict(counts), dict(standings), stamped)


def rule_standings(
    asked: Provenance | None, found: LabelsFound, title: str
) -> tuple[RuleStanding, ...]:
    """Of every profile, that of the set first. A demand that files have to meet is met if each file
    that was read carries what it needs. `title` names the items of the set, such as `images`."""
    own = "none" if asked is None else asked.profile
    names = sorted(ASKS, key=lambda name: name != own)
    return tuple(
        RuleStanding(
            name,
            RULES[name],
            name == own,
            tuple(
                _standing(ask, asked, found, title) if name == own else AskedFor(ask, "not asked")
                for ask in ASKS[name]
            ),
        )
        for name in names
        if ASKS[name] or name == own
    )


def _standing(ask: Ask, asked: Provenance | None, found: LabelsFound, title: str) -> AskedFor:
    met = str(ask.met)
    if met.startswith("with "):
        met = "yes" if getattr(asked, met.removeprefix("with "), None) else "no"
    if met != "yes":
        return AskedFor(ask, met)
    if ask.where.endswith(" only") and not ask.where.endswith(f"{title} only"):
        return AskedFor(ask, "no")
    counts = [found.of(statement) for word, statement in _PLACES if word in ask.where]
    if None in counts:
        return AskedFor(ask, "not checked")
    if not counts:
        return AskedFor(ask, "yes")
    least = min(count or 0 for count in counts)
    return AskedFor(ask, "yes" if least == found.files else "no", least)
