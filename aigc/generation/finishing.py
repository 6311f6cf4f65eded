"""Encoded files of items → finished ones: what they state of their origin, and a signature."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aigc.errors import SpecError, listed
from aigc.job.plan import Job
from aigc.modalities import MODALITIES, Delivery
from aigc.modalities.delivery import Form, ItemFormat
from aigc.provenance.earlier import EarlierMarker
from aigc.provenance.extra import require_credentials
from aigc.provenance.marker import Marker, Marks
from aigc.provenance.overlay import Overlay, require_key, watermark_of
from aigc.provenance.spec import Credentials, Provenance
from aigc.provenance.statement import ItemFacts, Statement
from aigc.provenance.unsigned import RESTORED
from aigc.provenance.watermark.checked import CheckedWatermark
from aigc.types import Notice, no_notice

if TYPE_CHECKING:
    from aigc.provenance.signing import FileSigner

_LENIENT = ("default", "none")
"""Profiles of files that may be without metadata, where the codec has no place for them."""


@dataclass(frozen=True)
class SignedFiles:
    """Files as they are delivered."""

    files: list[bytes]
    unstamped: int = 0
    """How many have no time stamp because the authority did not answer."""


class Finisher:
    """Finishes the files of one job or one served model. Safe to use from several threads."""

    def __init__(
        self,
        delivery: Delivery,
        marks: Marks,
        signer: FileSigner | None = None,
        watermark: CheckedWatermark | None = None,
    ) -> None:
        """`delivery` says how a file of its modality is marked; without `signer` none is signed."""
        self._delivery, self._marks, self._signer = delivery, marks, signer
        self.overlay = Overlay(marks.wording, watermark) if delivery.draws else Overlay()
        """What to put into items before they are encoded."""

    @property
    def signs(self) -> bool:
        return self._signer is not None

    def mark(
        self, files: Sequence[bytes], codecs: Sequence[str], items: Sequence[ItemFacts]
    ) -> list[bytes]:
        """Encoded files (N,) with metadata."""
        marked, marks = self._delivery.marked, self._marks
        rows = zip(files, codecs, items, strict=True)
        return [marked(file, codec, marks, item) for file, codec, item in rows]

    def sign(
        self, files: Sequence[bytes], codecs: Sequence[str], items: Sequence[ItemFacts]
    ) -> SignedFiles:
        """Marked files (N,) with their credentials; as they are where there is no signer.

        Raises CredentialsError if signing fails.
        """
        if self._signer is None:
            return SignedFiles(list(files))
        sign, facts, bound = self._signer.sign, self._marks.facts, self.overlay.soft_binding
        unstamped: list[str] = []
        rows = zip(files, codecs, items, strict=True)
        signed = [
            sign(file, codec, facts(item), bound(item.id), unstamped.append)
            for file, codec, item in rows
        ]
        return SignedFiles(signed, len(unstamped))

    def finish(
        self, files: Sequence[bytes], codecs: Sequence[str], items: Sequence[ItemFacts]
    ) -> SignedFiles:
        """Encoded files (N,), marked and signed. Raises CredentialsError if signing fails."""
        return self.sign(self.mark(files, codecs, items), codecs, items)


def of_job(
    job: Job, environment: Mapping[str, str], notice: Notice = no_notice, *, signs: bool = True
) -> Finisher:
    """The finisher of `job`; with `signs` False its files stay as they are before signing.

    Raises CredentialsError where the environment does not hold what signs, see `signer_of`, and
    SpecError where it holds another key of watermarks than the job was begun with.
    """
    if job.embed_provenance is not None:
        return Finisher(job.delivery, EarlierMarker(job.embed_provenance))
    statement = statement_of(job.provenance, job.model, job.model_digest, job.data_digest)
    statement = dataclasses.replace(statement, created=job.created)
    require_key(job.provenance, job.watermark_key, environment)
    watermark = watermark_of(job.provenance, environment)
    signer = signer_of(job.provenance, statement, environment, notice) if signs else None
    return Finisher(job.delivery, Marker(job.provenance, statement), signer, watermark)


def statement_of(asked: Provenance, ref: str, model_digest: str, data_digest: str) -> Statement:
    """What items of the model `ref`, name@version, state, without a time."""
    name, _, version = ref.partition("@")
    return Statement(
        model=name,
        model_version=version,
        model_digest=model_digest,
        provider=asked.provider or "",
        prompt_writer=asked.prompt_writer or "",
        data_digest=data_digest,
    )


def signer_of(
    asked: Provenance,
    statement: Statement,
    environment: Mapping[str, str],
    notice: Notice = no_notice,
) -> FileSigner | None:
    """What signs as `asked`; None where nothing is signed.

    Raises CredentialsError, in one line, where nothing could be signed now: no key, an expired
    certificate, a key of another type, an authority that does not answer, wrong clocks.
    """
    if asked.credentials is None:
        return None
    require_credentials()
    from aigc.provenance.signing import FileSigner  # noqa: PLC0415

    return FileSigner(asked.credentials, statement, environment, notice)


def without_secrets(asked: Provenance) -> Provenance:
    """As it stands in a job: what signs is named by the environment of those who work on it."""
    if asked.credentials is None:
        return asked
    kept = {"authority": asked.credentials.authority, "on_outage": asked.credentials.on_outage}
    return asked.model_copy(update={"credentials": Credentials.model_validate(kept)})


def now() -> str:
    """RFC 3339 in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def require_possible(
    asked: Provenance,
    overlay: Overlay,
    delivery: Delivery,
    form: Form,
    formats: Collection[ItemFormat],
) -> None:
    """Raises SpecError where items of `formats` cannot be marked or signed as `asked`; `overlay` is
    what that puts into them."""
    if not delivery.draws:
        for name in ("visible", "watermark"):
            if getattr(asked, name):
                raise SpecError(f"provenance.{name}: only {_drawn_on()} can have it; leave it out")
    for wanted in formats:
        if delivery.draws:
            delivery.require_overlay(form, wanted, overlay)
        if not delivery.has_metadata(wanted.codec) and asked.profile not in _LENIENT:
            raise SpecError(
                f"provenance.profile = {asked.profile}: codec {wanted.codec} has no place for "
                f"metadata; use {_others(delivery, delivery.has_metadata)}, or profile default"
            )
        if asked.credentials is not None and wanted.codec not in RESTORED:
            signed = _others(delivery, RESTORED.__contains__)
            raise SpecError(
                f"provenance.credentials: codec {wanted.codec} has no place for them; use {signed}"
            )


def _drawn_on() -> str:
    return listed([kind.title for kind in MODALITIES.values() if kind.delivery.draws])


def _others(delivery: Delivery, fits: Callable[[str], bool]) -> str:
    return ", ".join(codec for codec in delivery.codecs if fits(codec))
