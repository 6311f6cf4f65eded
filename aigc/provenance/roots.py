"""The certificates that a user trusts, from files."""

from __future__ import annotations

from aigc import storage
from aigc.errors import CredentialsError


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
