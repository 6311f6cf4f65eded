"""Certificate chains for tests and trials: a root of one's own, and what it signs.

Nobody else trusts such a root: readers call what it signs valid, not trusted. For publication a
certificate of an authority on the C2PA trust list is needed. The forms follow C2PA 2.4, section
14.5 (X.509 certificates): ES256 keys, a leaf that signs and nothing else, its purpose stated.
"""

from __future__ import annotations

import datetime as dt
import errno
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from aigc.errors import CredentialsError

ROOT_DAYS = 3650
_CLOCKS_DIFFER = dt.timedelta(hours=1)
"""Certificates begin to be valid a little earlier, for machines whose clocks are slow."""
CONTENT_SIGNING = (
    x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1"),  # C2PA claim signing
    ExtendedKeyUsageOID.EMAIL_PROTECTION,  # what readers of C2PA 1.4 and 2.1 look for
)
TIME_STAMPING = (ExtendedKeyUsageOID.TIME_STAMPING,)
_NO_USAGE = {
    "digital_signature": False,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}


@dataclass(frozen=True)
class Issued:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write_test_chain(folder: Path, organization: str, days: int) -> tuple[Path, Path, Path]:
    """`chain.pem`, `key.pem` (only its owner may read it) and `root.pem`, which readers trust.

    The root's own key is not kept: it signs this one certificate and nothing else ever.

    Raises:
        CredentialsError: one of the files exists, or they cannot be written; none is left then.
    """
    root = make_root(organization)
    signer = issue(root, organization, days)
    files = {
        folder / "chain.pem": (signer.certificate_pem + root.certificate_pem, 0o644),
        folder / "key.pem": (signer.key_pem, 0o600),
        folder / "root.pem": (root.certificate_pem, 0o644),
    }
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, (text, mode) in files.items():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                written.append(path)
                file.write(text)
    except OSError as error:
        for path in written:
            path.unlink()
        reason = "exists; choose another --out" if error.errno == errno.EEXIST else error.strerror
        raise CredentialsError(f"{error.filename or folder}: {reason}") from None
    chain, key, trusted = files
    return chain, key, trusted


def make_root(organization: str, days: int = ROOT_DAYS) -> Issued:
    """A root certificate that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(organization, "test root")
    builder = (
        _begun(subject, subject, key, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(**(_NO_USAGE | {"key_cert_sign": True, "crl_sign": True})), critical=True
        )
    )
    return Issued(builder.sign(key, hashes.SHA256()), key)


def issue(
    root: Issued,
    organization: str,
    days: float,
    purposes: tuple[x509.ObjectIdentifier, ...] = CONTENT_SIGNING,
    *,
    starting_in_days: int = 0,
) -> Issued:
    """A certificate signed by `root` for `purposes`, valid for `days` (negative: expired)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(organization, "test signer")
    is_stamping = purposes == TIME_STAMPING
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key())
    builder = (
        _begun(subject, root.certificate.subject, key, days, starting_in_days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**(_NO_USAGE | {"digital_signature": True})), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=is_stamping)
        .add_extension(identifier, critical=False)
    )
    return Issued(builder.sign(root.key, hashes.SHA256()), key)


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    days: float,
    starting_in_days: int = 0,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    start = now - _CLOCKS_DIFFER + dt.timedelta(days=starting_in_days)
    end = now + dt.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(start, end - dt.timedelta(days=1)))
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(organization: str, role: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{organization[:40]} {role}"),
        ]
    )
