"""Where files of anybody come from, as far as the operator's indexes and trusted roots know.

A file is read here and nowhere else: its kind must be one of `KINDS`, and its own size is believed
before its data. Everything here may take a second, so call it on a thread of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aigc import storage
from aigc.errors import CredentialsError, SpecError
from aigc.modalities.image.perceptual import hash_file
from aigc.modalities.signatures import HEAD_BYTES, Signatures, named
from aigc.provenance.extra import is_installed, require_credentials
from aigc.provenance.looks import PerceptualHashes
from aigc.provenance.trace import Trace, Tracer
from aigc.provenance.trace_index import TraceIndex
from aigc.service.errors import BadRequestError, NotFoundError

if TYPE_CHECKING:
    from aigc.provenance.checking import CredentialReader

KINDS: Signatures = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (4, b"ftyp", "video/mp4"),
)
"""The files that are looked into, by their first bytes; of all others nothing is read."""
IN_WORDS = "PNG, JPEG, WebP, WAV, FLAC, Ogg, MP3 or MP4"
_PARAM = "file"


class Verifier:
    """Answers for files. It is safe to use from several threads."""

    def __init__(self, indexes: Sequence[str] = (), roots: Sequence[str] = ()) -> None:
        """`indexes` are folders made by `aigc index`, `roots` PEM files of trusted certificates.

        Raises:
            SpecError: an index is not on this machine, or a root is no certificate.
            StorageError: a file is missing. DamagedError: an index is not whole.
            CredentialsError: roots were named, and the packages that check against them are
                missing.
        """
        self._indexes = [_opened(uri) for uri in indexes]
        self._credentials = _reader(roots)

    @property
    def items(self) -> int:
        """Of all indexes."""
        return sum(index.items for index in self._indexes)

    def __call__(self, file: bytes, name: str = "") -> Trace:
        """All evidence on `file`.

        Raises:
            BadRequestError: it is empty, or of no kind of `KINDS`.
        """
        kind = kind_of(file)
        unreadable: list[str] = []

        def look(data: bytes) -> PerceptualHashes:
            try:
                return hash_file(data)
            except ValueError as error:
                unreadable.append(f"the image cannot be looked at: {error}")
                raise

        seen = look if kind.startswith("image/") else _unseen
        found = Tracer(self._indexes, self._credentials, seen).trace(file, name)
        return replace(found, notes=(*found.notes, *unreadable))

    def require_credentials(self) -> None:
        """Raises NotFoundError where Content Credentials cannot be checked."""
        if self._credentials is None:
            raise NotFoundError(
                "this server does not check Content Credentials; its operator can install "
                "aigc[credentials]",
                code="not_available",
            )


def kind_of(file: bytes) -> str:
    """The media type of a file, by its first bytes. Raises BadRequestError."""
    if not file:
        raise BadRequestError(
            f"file: it is empty; send a {IN_WORDS} file", param=_PARAM, code="empty_file"
        )
    found = named(file[:HEAD_BYTES], KINDS)
    if not found:
        raise BadRequestError(f"file: not a {IN_WORDS} file", param=_PARAM, code="unsupported_file")
    return found


def _unseen(file: bytes) -> PerceptualHashes:
    raise ValueError("only images are found by their looks")


def _opened(uri: str) -> TraceIndex:
    if storage.is_s3(uri):
        raise SpecError(
            f"trace_indexes = {uri}: an index is mapped into memory, so it lies on the machine of "
            "each replica; copy it there and name the folder"
        )
    return TraceIndex(Path(storage.absolute(uri)))


def _reader(roots: Sequence[str]) -> CredentialReader | None:
    """None where the optional packages are missing and no root was named."""
    if roots:
        require_credentials()
    elif not is_installed("c2pa"):
        return None
    from aigc.provenance.checking import CredentialReader  # noqa: PLC0415

    return CredentialReader([_certificate(uri) for uri in roots])


def _certificate(uri: str) -> str:
    text = storage.read_bytes(uri).decode("utf-8", "replace")
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise CredentialsError(f"trust_roots = {uri}: no PEM certificate in it")
    return text
