"""The certificates that a user trusts, from files, and the reader that trusts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aigc import storage
from aigc.errors import CredentialsError
from aigc.provenance.extra import is_installed, require_credentials

if TYPE_CHECKING:
    from aigc.provenance.checking import CredentialReader


def reader_of(roots: Sequence[str]) -> CredentialReader | None:
    """What checks credentials against `roots`, PEM files; None where the optional packages are
    missing and no root was named.

    Raises:
        CredentialsError: a root is no certificate, or the packages are missing. StorageError.
    """
    if roots:
        require_credentials()
    elif not is_installed("c2pa"):
        return None
    from aigc.provenance.checking import CredentialReader  # noqa: PLC0415

    return CredentialReader([root_text(uri, "root") for uri in roots])


def root_text(uri: str, field: str) -> str:
    """The PEM text of the certificates in `uri`, which `field` of the user's names.

    Raises:
        CredentialsError: there is none in it, or one is damaged. StorageError.
    """
    from cryptography import x509  # noqa: PLC0415

    data = storage.read_bytes(uri)
    try:
        x509.load_pem_x509_certificates(data)
    except ValueError:
        raise CredentialsError(f"{field} = {uri}: no PEM certificate in it") from None
    return data.decode("ascii", "replace")
