"""Where files of anybody come from, as far as the operator's indexes and trusted roots know.

A file is read here and nowhere else: its kind must be known to `media_type`, and its own size is
believed before its data. Everything here may take a second, so call it on a thread of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aigc import storage
from aigc.errors import SpecError
from aigc.provenance.extra import is_installed, require_credentials
from aigc.provenance.media_types import IN_WORDS, media_type
from aigc.provenance.roots import root_text
from aigc.provenance.trace import Trace, Tracer
from aigc.provenance.trace_index import TraceIndex
from aigc.provenance.watermark import DEFAULT, open_watermark
from aigc.provenance.watermark.keys import key_from
from aigc.service.errors import BadRequestError, NotFoundError
from aigc.sets.tracing import look_at, mark_finder

if TYPE_CHECKING:
    from aigc.provenance.checking import CredentialReader

_PARAM = "file"


class Verifier:
    """Answers for files. It is safe to use from several threads."""

    def __init__(self, indexes: Sequence[str] = (), roots: Sequence[str] = ()) -> None:
        """`indexes` are folders made by `aigc index`, `roots` PEM files of trusted certificates.
        Watermarks are found with the key of the environment.

        Raises:
            SpecError: an index is not on this machine, or the key of watermarks is none.
            StorageError: a file is missing. DamagedError: an index is not whole.
            CredentialsError: a root is no certificate, or the packages that check against roots are
                missing.
        """
        self._indexes = [_opened(uri) for uri in indexes]
        if roots:
            require_credentials()
        self._roots = [root_text(uri, "trust_roots") for uri in roots]
        self._checks_credentials = is_installed("c2pa")
        self._find_marks = mark_finder([open_watermark(DEFAULT, key_from())])
        self._local = threading.local()

    @property
    def items(self) -> int:
        """Of all indexes."""
        return sum(index.items for index in self._indexes)

    def __call__(self, file: bytes, name: str = "") -> Trace:
        """All evidence on `file`.

        Raises:
            BadRequestError: it is empty, or of no kind of `KINDS`.
        """
        require_kind(file)
        tracer = Tracer(self._indexes, self._credentials(), look_at, self._find_marks)
        return tracer.trace(file, name)

    def require_credentials(self) -> None:
        """Raises NotFoundError where Content Credentials cannot be checked."""
        if not self._checks_credentials:
            raise NotFoundError(
                "this server does not check Content Credentials; its operator can install "
                "aigc[credentials]",
                code="not_available",
            )

    def _credentials(self) -> CredentialReader | None:
        """This thread's own: the library lets one thread at a time use a context."""
        if not self._checks_credentials:
            return None
        if not hasattr(self._local, "reader"):
            from aigc.provenance.checking import CredentialReader  # noqa: PLC0415

            self._local.reader = CredentialReader(self._roots)
        found: CredentialReader = self._local.reader
        return found


def require_kind(file: bytes) -> None:
    """Raises BadRequestError for a file of no kind of `KINDS`."""
    if not file:
        raise BadRequestError(
            f"file: it is empty; send a {IN_WORDS} file", param=_PARAM, code="empty_file"
        )
    if not media_type(file):
        raise BadRequestError(f"file: not a {IN_WORDS} file", param=_PARAM, code="unsupported_file")


def _opened(uri: str) -> TraceIndex:
    if storage.is_s3(uri):
        raise SpecError(
            f"trace_indexes = {uri}: an index is mapped into memory, so it lies on the machine of "
            "each replica; copy it there and name the folder"
        )
    return TraceIndex(Path(storage.absolute(uri)))
