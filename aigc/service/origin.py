"""What files of a served model state of their origin, and their signature."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Sequence

from aigc import storage
from aigc.errors import CredentialsError, SpecError
from aigc.generation import finishing
from aigc.generation.finishing import Finisher
from aigc.modalities import MODALITIES
from aigc.modalities.delivery import Form, ItemFormat
from aigc.provenance.marker import Marker
from aigc.provenance.overlay import key_fingerprint, watermark_of
from aigc.provenance.profiles import PROFILES
from aigc.provenance.spec import Provenance
from aigc.provenance.statement import ItemFacts
from aigc.service.errors import BadRequestError
from aigc.service.stamps import Stamps
from aigc.store import ModelVersion

_warn = logging.getLogger("aigc").warning


class ServedOrigin:
    """Of one version of a model."""

    def __init__(self, asked: Provenance, version: ModelVersion) -> None:
        """What signs comes from this process's environment. Raises CredentialsError, SpecError."""
        self._asked = asked
        self._delivery = MODALITIES[version.config.modality].delivery
        statement = finishing.statement_of(
            asked, version.ref, version.digest, version.config.data_digest
        )
        signer = finishing.signer_of(asked, statement, os.environ, _warn)
        marker = Marker(asked, statement)
        wording = marker.wording if self._delivery.draws else None
        self.stamps = Stamps(version.digest, wording, asked.watermark)
        self._finisher = Finisher(self._delivery, marker, signer, self.stamps.mark)
        self.varies = signer is not None or PROFILES[asked.profile].dated
        """Whether the same item has other bytes each time: a signature, a time."""
        self.identity = asked.model_dump_json(
            exclude={"credentials", "reason"}, exclude_defaults=True
        )
        self.identity += key_fingerprint(asked, os.environ)
        """What decides a file's bytes before it is signed."""

    def finish(
        self, files: Sequence[bytes], codecs: Sequence[str], ids: Sequence[str]
    ) -> list[bytes]:
        """Encoded files (N,) of items `ids` (N,), marked and signed; empty ones stay empty.

        Raises CredentialsError if signing fails; the reason is logged, not told to clients.
        """
        created = finishing.now() if self.varies else ""
        items = [ItemFacts(name, created=created) for name in ids]
        made = [row for row, file in enumerate(files) if file]
        try:
            finished = self._finisher.finish(
                [files[row] for row in made],
                [codecs[row] for row in made],
                [items[row] for row in made],
            )
        except CredentialsError as error:
            _warn("not signed: %s", error)
            raise CredentialsError("files cannot be signed at the moment; try again") from None
        of_row = dict(zip(made, finished.files, strict=True))
        return [of_row.get(row, b"") for row in range(len(files))]

    def require_possible(self, form: Form, wanted: ItemFormat) -> None:
        """Raises BadRequestError where items of a format cannot be marked or signed."""
        try:
            finishing.require_possible(
                self._asked, self._finisher.overlay, self._delivery, form, [wanted]
            )
        except SpecError as error:
            raise BadRequestError(str(error), code="not_supported") from None


def absolute(asked: Provenance) -> Provenance:
    """With certificate and key where processes in other folders find them."""
    if asked.credentials is None:
        return asked
    named = {"certificate": asked.credentials.certificate, "key": asked.credentials.key}
    found = {name: storage.absolute(path) for name, path in named.items() if path is not None}
    return asked.model_copy(update={"credentials": asked.credentials.model_copy(update=found)})


def require_signer(asked: Provenance) -> None:
    """Sees at the start what every replica would find. Raises CredentialsError, in one line."""
    statement = finishing.statement_of(asked, "model@v1", "0" * 64, "")
    finishing.signer_of(asked, dataclasses.replace(statement, created=finishing.now()), os.environ)
    Marker(asked, statement)
    watermark_of(asked, os.environ)
